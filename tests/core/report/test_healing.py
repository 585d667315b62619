from pathlib import Path

import pytest

from blockwright.report.healing import channel_choice
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


def test_a_finished_run_has_its_decisions(finished: Path) -> None:
    decisions = Record(finished).decisions
    assert any(losses for losses in decisions.values())
    assert all(set(ways) == {"output", "magnitude"} for losses in decisions.values() for ways in losses.values())
