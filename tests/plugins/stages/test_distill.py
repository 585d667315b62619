from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from blockwright.child.assembly import assemble
from blockwright.child.checkpoint import open_child, write_child
from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.library import Library
from blockwright.models.evaluation import evaluate
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.stages import StageContext, StageResult, StageText
from blockwright.variants import SLOTS, SubBlock, VariantSpec

WORDS = ["<unk>", "</s>", *(f"w{number}" for number in range(62))]
OPTIONS = {"data": {"tokens": 2048}, "batch_size": 8, "learning_rate": 3e-3, "evaluate_every": 4}


@pytest.fixture(scope="module")
def with_tokenizer(parent: Parent, tmp_path_factory: pytest.TempPathFactory) -> Parent:
    """The tiny parent, whose 64 tokens are words."""
    folder = tmp_path_factory.mktemp("parent-with-tokenizer")
    shutil.copytree(parent.directory, folder, dirs_exist_ok=True)
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>").save_pretrained(folder)
    return replace(parent, directory=folder)


@pytest.fixture
def context(
    with_tokenizer: Parent, library: Library, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> StageContext:
    """A child without the last layer, and words to learn from."""
    skipped = {SubBlock(2, slot): VariantSpec(slot, "skip") for slot in SLOTS}
    child = assemble(with_tokenizer, library, skipped, plugins.variants)
    write_child(tmp_path / "child", child, with_tokenizer)
    draw = random.Random(0)
    (tmp_path / "learn.txt").write_text("\n\n".join(" ".join(draw.choices(WORDS[2:], k=50)) for _ in range(40)))
    text = StageText((str(tmp_path / "learn.txt"),), 32)
    return StageContext(with_tokenizer, tmp_path / "child", tokens, tmp_path / "stage", 0, text)


@pytest.fixture
def distill(context: StageContext, plugins: Plugins) -> Callable[..., StageResult]:
    """Runs the stage with some of its options changed."""
    stage = plugins.stage("distill")
    return lambda **changed: stage(stage.Options.model_validate({**OPTIONS, **changed})).run(context)


def test_the_stage_ends_in_a_better_child(distill: Callable[..., StageResult], context: StageContext) -> None:
    result = distill()
    before, after = (
        evaluate(context.parent.stack(), open_child(folder), context.tokens["heldback"]).kl_nats_per_token
        for folder in (context.child, result.child)
    )
    assert after < 0.9 * before
    assert result.figures["after"] < result.figures["before"]
    assert result.figures["tokens"] == 2048
    assert result.notes == ("the child of step 8 was the best on held-back tokens",)
    assert (result.child / "tokenizer.json").exists()


def test_the_stage_has_a_curve_of_each_part_of_the_loss(distill: Callable[..., StageResult]) -> None:
    curves = distill(losses={"hidden": 0, "language_model": 0.1}).curves
    assert [step for step, _ in curves["held-back KL (nats per token)"]] == [0, 4, 8]
    assert len(curves["loss (nats per token)"]) == len(curves["cross entropy (nats per token)"]) == 8
    assert "hidden states (1 − cosine)" not in curves


def test_steps_are_told_with_speed_and_utilisation(distill: Callable[..., StageResult]) -> None:
    told: list[Event] = []
    with listening(told.append):
        distill()
    steps = [event for event in told if event.name == "step_trained"]
    assert [(event.done, event.total) for event in steps] == [(step, 8) for step in range(1, 9)]
    assert {"step", "loss", "tokens_per_s", "flop_utilisation"} <= steps[0].fields.keys()


def test_a_child_that_does_not_get_better_stays_the_given_one(
    distill: Callable[..., StageResult], context: StageContext
) -> None:
    result = distill(learning_rate=1e30)
    assert result.child == context.child
    assert result.figures["after"] == result.figures["before"]
    assert result.notes[0].startswith("training stopped at step 2: the loss is nan")
    assert "the given one, which is kept" in result.notes[1]


def test_processes_that_another_command_starts_do_the_same(
    distill: Callable[..., StageResult], context: StageContext
) -> None:
    result = distill(launcher="torchrun --standalone --nproc-per-node 1")
    log = (context.directory / "launcher.log").read_text()
    shutil.rmtree(context.directory)
    here = distill()
    assert "Traceback" not in log
    assert result.figures == pytest.approx(here.figures, rel=1e-5)


def test_a_batch_that_cannot_be_shared_out_is_a_mistake_in_one_line(distill: Callable[..., StageResult]) -> None:
    with pytest.raises(UserError, match=r"^stages: batch_size 8 cannot be shared out over 1 process.* accumulate 3"):
        distill(accumulate=3)


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"losses": {"divergance": 1}}, {"betas": [0.9, 1.0]}], ids=str)
def test_options_that_make_no_sense_are_refused(distill: Callable[..., StageResult], wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        distill(**wrong)
