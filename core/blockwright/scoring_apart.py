"""Scores made by workers: one process walks along the parent, others price the pieces that it passes.

A piece is a file in `.pieces.part` until its scores are written; few lie there at any time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from blockwright.executors import Executor, done_by
from blockwright.files import write_json
from blockwright.library import Library
from blockwright.models.tensor_files import read_tensors, write_tensors
from blockwright.parent import open_parent
from blockwright.plugins import installed_plugins
from blockwright.scoring import PiecewiseScorer, ScoreContext, ScorerOptions
from blockwright.soundness import refuse_scores
from blockwright.variants import SubBlock

PIECES = ".pieces.part"  # which a run clears away like all that was half written


@dataclass(frozen=True)
class PriceTask:
    """One sub-block to be priced by the scorer of that name and its options; `parts` is where its scores go."""

    scorer: str
    options: ScorerOptions
    parent: Path
    library: Path
    tokens: Tensor
    parts: Path
    seed: int
    sub_block: SubBlock

    @property
    def piece(self) -> Path:
        return self.parts.parent / PIECES / f"{self.sub_block}.safetensors"

    @property
    def scores(self) -> Path:
        return self.parts / f"{self.sub_block}.json"


def score_apart(scorer: PiecewiseScorer, context: ScoreContext, parts: Path, executor: Executor) -> Iterator[SubBlock]:
    """Each sub-block whose scores a worker has written into `parts`, in the order in which they are done."""
    for task, _ in done_by(executor, price, _tasks(scorer, context, parts.resolve())):
        task.piece.unlink(missing_ok=True)
        yield task.sub_block
    shutil.rmtree(parts.parent / PIECES, ignore_errors=True)


def _tasks(scorer: PiecewiseScorer, context: ScoreContext, parts: Path) -> Iterator[PriceTask]:
    parent, library = context.parent.directory.resolve(), context.library.directory.resolve()
    for sub_block, piece in scorer.walk(context):
        task = PriceTask(scorer.name, scorer.options, parent, library, context.tokens, parts, context.seed, sub_block)
        write_tensors(task.piece, piece)
        yield task


def price(task: PriceTask) -> None:
    """What a worker does."""
    if task.scores.exists():
        return
    plugins = installed_plugins()
    scorer = plugins.scorer(task.scorer)(task.options)
    assert isinstance(scorer, PiecewiseScorer)
    parent = open_parent(task.parent, plugins.families)
    library = Library(task.library, parent.source())
    context = ScoreContext(parent, library, plugins.variants, task.tokens, task.parts.parent, task.seed)
    scores = dict(scorer.price(context, task.sub_block, read_tensors(task.piece)))
    refuse_scores(task.sub_block, scores, task.scorer)
    write_json(task.scores, scores)
