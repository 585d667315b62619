from pathlib import Path

import pytest

from blockwright.report.healing import channel_choice, trained_variants
from blockwright.report.reading import Record

DECISIONS = {
    "ffn.0": {"narrow=8": {"output": 0.10, "magnitude": 0.20}, "narrow=4": {"output": 9.0, "magnitude": 9.0}},
    "ffn.1": {"narrow=8": {"output": 0.30, "magnitude": 0.25}},
    "ffn.2": {"narrow=8": {"output": 7.0, "magnitude": 7.0}},
    "attention.0": {},
}


def test_only_the_chosen_variants_count_in_the_choice_of_channels() -> None:
    chosen = {"ffn.0": "narrow=8", "ffn.1": "narrow=8", "ffn.2": "keep", "attention.0": "skip"}
    choice = channel_choice(DECISIONS, chosen)
    assert choice is not None
    assert choice.ways == {"output": pytest.approx(0.40), "magnitude": pytest.approx(0.45)}
    assert choice.taken == pytest.approx(0.35)
    assert choice.counts == {"output": 1, "magnitude": 1}


def test_a_child_without_narrowed_ffns_made_no_choice_of_channels() -> None:
    assert channel_choice(DECISIONS, {"ffn.0": "skip", "ffn.1": "keep"}) is None


def test_training_of_the_library_is_told_apart_from_the_choice_of_channels() -> None:
    trained = {
        "ffn.0": {"narrow=8": {**DECISIONS["ffn.0"]["narrow=8"], "block-distill": 0.07}},
        "attention.0": {"linear": {"refit": 0.5, "block-distill": 0.4}},
    }
    chosen = {"ffn.0": "narrow=8", "attention.0": "linear"}
    choice, gain = channel_choice(trained, chosen), trained_variants(trained, chosen)
    assert choice is not None and gain is not None
    assert (set(choice.ways), choice.taken) == ({"output", "magnitude"}, pytest.approx(0.10))
    assert (gain.built, gain.trained, gain.count) == (pytest.approx(0.60), pytest.approx(0.47), 2)
    assert trained_variants(DECISIONS, {"ffn.0": "narrow=8"}) is None


def test_a_finished_run_has_its_decisions(finished: Path) -> None:
    decisions = Record(finished).decisions
    assert any(losses for losses in decisions.values())
    assert all(set(ways) == {"output", "magnitude"} for losses in decisions.values() for ways in losses.values())
