"""Token sets from text: enough, apart, evenly mixed and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.text.sets import TextSettings, load_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WriteText = Callable[..., str]


@pytest.fixture
def write_text(tmp_path: Path) -> WriteText:
    """`write_text("a", words=200, low=0, high=30)` writes that many random words w0 … w29, and gives the path."""

    def write(name: str, words: int, low: int = 0, high: int = 60) -> str:
        draw = random.Random(name)
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(" ".join(f"w{draw.randrange(low, high)}" for _ in range(words)))
        return str(path)

    return write


def settings(calibration: list[str], evaluation: list[str]) -> TextSettings:
    return TextSettings(
        calibration=tuple(calibration),
        evaluation=tuple(evaluation),
        sequence_length=16,
        calibration_tokens=320,
        scoring_tokens=64,
        heldback_tokens=64,
        evaluation_tokens=60,
    )


def rows(tokens: torch.Tensor) -> set[tuple[int, ...]]:
    return {tuple(row) for row in tokens.tolist()}


def test_sets_have_whole_sequences_for_the_tokens_that_are_asked_for(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase
) -> None:
    sets = load_tokens(settings([write_text("a", 700)], [write_text("b", 100)]), tokenizer, seed=0)
    shapes = {name: tuple(tokens.shape) for name, tokens in sets.items()}
    assert shapes == {"calibration": (20, 16), "scoring": (4, 16), "heldback": (4, 16), "evaluation": (4, 16)}
    assert {tokens.dtype for tokens in sets.values()} == {torch.int64}


def test_the_sets_of_the_calibration_sources_share_no_sequence(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase
) -> None:
    sets = load_tokens(settings([write_text("a", 700)], [write_text("b", 100)]), tokenizer, seed=0)
    together = [rows(sets[name]) for name in ("calibration", "scoring", "heldback")]
    assert len(set.union(*together)) == sum(map(len, together)) == 28


def test_a_seed_gives_the_same_tokens_and_another_seed_others(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = [write_text(name, 40) for name in "abcdefghijklmnopqrst"]
    recipe = settings([str(Path(texts[0]).parent)], [write_text("judge", 100)])
    first, again, other = (load_tokens(recipe, tokenizer, seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["calibration"], other["calibration"])


def test_another_seed_is_judged_on_the_same_text_unless_the_evaluation_has_another_seed_too(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase
) -> None:
    judges = [write_text(f"judge/{name}", 40, low=30) for name in "abcdefghijklmnopqrst"]
    recipe = settings([write_text("a", 700, high=30)], [str(Path(judges[0]).parent)])
    first, second = (load_tokens(recipe, tokenizer, seed)["evaluation"] for seed in (1, 2))
    assert torch.equal(first, second)
    other = load_tokens(recipe.model_copy(update={"evaluation_seed": 1}), tokenizer, seed=1)["evaluation"]
    assert not torch.equal(other, first)


@pytest.mark.parametrize("name", ["calibration", "scoring", "heldback"])
def test_every_set_has_its_share_of_every_source(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    low, high = write_text("low", 900, 0, 30), write_text("high", 900, 30, 60)
    tokens = load_tokens(settings([low, high], [write_text("b", 100)]), tokenizer, seed=0)[name]
    from_the_low = (tokens[:, 8] < 4 + 30).double().mean()  # four special tokens come before the words
    assert from_the_low == 0.5


@pytest.mark.parametrize("name", ["calibration", "scoring", "heldback"])
def test_weights_are_shares_of_every_set(write_text: WriteText, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    low, high = write_text("low", 900, 0, 30), write_text("high", 900, 30, 60)
    weighted = TextSettings.model_validate(
        settings([low], [write_text("b", 100)]).model_dump() | {"calibration": [{"source": low, "weight": 3}, high]}
    )
    tokens = load_tokens(weighted, tokenizer, seed=0)[name]
    assert (tokens[:, 8] < 4 + 30).double().mean() == 0.75


def test_equal_weights_change_no_token(write_text: WriteText, tokenizer: PreTrainedTokenizerBase) -> None:
    names, judge = [write_text("short", 100), write_text("low", 900), write_text("high", 900)], write_text("b", 100)
    plain = settings(names, [judge])
    weighted = TextSettings.model_validate(
        plain.model_dump() | {"calibration": [{"source": name, "weight": 0.5} for name in names]}
    )
    first, second = (load_tokens(each, tokenizer, seed=0) for each in (plain, weighted))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_source_that_ends_leaves_its_turns_to_the_others(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase
) -> None:
    short, long = write_text("short", 100, 0, 30), write_text("long", 900, 30, 60)
    tokens = load_tokens(settings([short, long], [write_text("b", 100)]), tokenizer, seed=0)["calibration"]
    assert 0 < (tokens[:, 8] < 34).sum() < 6


def test_calibration_text_that_stands_in_the_evaluation_is_dropped_and_counted(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a source's name decides the order of its pieces
    judge, both = write_text("b", 200), Path("both.txt")
    both.write_text(Path(judge).read_text() + " " + Path(write_text("a", 480)).read_text())
    heard: list[Event] = []
    with listening(heard.append):
        sets = load_tokens(settings([str(both)], [judge]), tokenizer, seed=0)
    assert not rows(sets["calibration"]) & rows(sets["evaluation"])
    assert next(event for event in heard if event.name == "overlapping_text_dropped").fields["sequences"] == 4


def test_too_little_text_says_how_much_there_is_and_how_much_is_asked_for(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(
        UserError, match=r"text.calibration: the sources hold 96 tokens .*a.txt: 96.* but 448 are asked for"
    ):
        load_tokens(settings([write_text("a", 100)], [write_text("b", 100)]), tokenizer, seed=0)


def test_too_little_evaluation_text_is_refused(write_text: WriteText, tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(UserError, match=r"text.evaluation: the sources hold 16 tokens"):
        load_tokens(settings([write_text("a", 700)], [write_text("b", 20)]), tokenizer, seed=0)
