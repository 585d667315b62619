"""What a stage is given and what is kept of its result, on a run's folder as the earlier steps leave it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from blockwright.plugins import Plugins
from blockwright.running.files import RunFiles
from blockwright.running.steps.running_a_stage import StageStep
from blockwright.stages import Stage, StageContext, StageOptions, StageResult
from blockwright.text.corpus import Corpus, CorpusSettings
from blockwright.text.overlap import Overlap
from blockwright.text.sets import TextSettings, load_tokens

SETS = {"calibration_tokens": 512, "scoring_tokens": 512, "heldback_tokens": 1024, "evaluation_tokens": 128}


class ReadingStage(Stage):
    """Reads the training text, and says that its loss became none."""

    name = "reading"

    def run(self, context: StageContext) -> StageResult:
        self.corpus = context.corpus(CorpusSettings(tokens=8192))
        return StageResult(context.child, {"after": 0.5}, curves={"loss": [(1, 2.0), (2, math.nan), (3, math.inf)]})


Ran = tuple[ReadingStage, RunFiles, Path]


@pytest.fixture
def ran(parent_folder: Path, text_folder: Path, plugins: Plugins, tmp_path: Path) -> Ran:
    """The stage after it was run, on sources that hold the held-back text too."""
    text = TextSettings(
        calibration=(f"{text_folder}/learn.txt",), evaluation=(f"{text_folder}/judge.txt",), sequence_length=64, **SETS
    )
    files, stage = RunFiles(tmp_path, plugins.families, plugins.variants), ReadingStage(StageOptions())
    (tmp_path / "00-parent").mkdir()
    (tmp_path / "05-build" / "child").mkdir(parents=True)
    (tmp_path / "00-parent" / "parent.json").write_text(json.dumps({"directory": str(parent_folder)}))
    sets = load_tokens(text, files.parent.tokenizer(), 0)
    save_file({name: rows.contiguous() for name, rows in sets.items()}, tmp_path / "00-parent" / "tokens.safetensors")
    StageStep("06-reading", "key", stage, None, text, 0).run(files, tmp_path / "06-reading")
    return stage, files, tmp_path / "06-reading"


def texts(files: RunFiles, rows: torch.Tensor) -> list[str]:
    tokenizer = files.parent.tokenizer()
    return [str(tokenizer.decode(row, skip_special_tokens=True)) for row in rows.tolist()]


def all_tokens(corpus: Corpus) -> torch.Tensor:
    return torch.stack([tokens for tokens, _ in corpus])


def test_training_text_is_of_the_recipes_sources_and_length(ran: Ran) -> None:
    stage, _, folder = ran
    assert stage.corpus.folder == folder / "corpus"
    assert (len(stage.corpus), stage.corpus.sequence_length) == (128, 64)


def test_training_text_leaves_out_what_judges(ran: Ran) -> None:
    """Also held-back text of the same source: what shares 16 words with it, a quarter of a sequence, is dropped."""
    stage, files, _ = ran
    heldback = Overlap((text for name in ("heldback", "scoring") for text in texts(files, files.tokens[name])), 16)
    evaluation = Overlap(texts(files, files.tokens["evaluation"]), 13)
    assert not any(text in heldback or text in evaluation for text in texts(files, all_tokens(stage.corpus)))
    (facts,) = stage.corpus.facts.values()
    assert facts["sequences_dropped"] > 0


def test_curves_are_kept_as_far_as_they_are_numbers(ran: Ran) -> None:
    _, _, folder = ran
    record = json.loads((folder / "stage.json").read_text())
    assert record["curves"] == {"loss": [[1, 2.0]]}
    assert (record["stage"], record["child"], record["figures"]) == ("reading", "05-build/child", {"after": 0.5})
