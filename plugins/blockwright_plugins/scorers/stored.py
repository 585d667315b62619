"""`stored`: scores that came with a shared library, made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from blockwright.errors import UserError
from blockwright.plugins import hookimpl
from blockwright.scoring import ScoreContext, Scorer, ScorerOptions, Scores
from blockwright.variants import SubBlock


class StoredOptions(ScorerOptions):
    """`folder`: a shared library, as `blockwright share` writes it."""

    folder: str


class StoredScorer(Scorer):
    """Reads the scores of a shared library; every variant of the library must have one."""

    name = "stored"
    needs_weights = False
    Options = StoredOptions
    contract_options = ()  # it needs a shared library

    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        from blockwright.sharing.parcel import read_scores

        assert isinstance(self.options, StoredOptions)
        scores = read_scores(Path(self.options.folder))
        for sub_block in context.library.sub_blocks():
            wanted = [spec.label for spec in context.library.variants(sub_block)]
            missing = [label for label in wanted if label not in scores.get(str(sub_block), {})]
            if missing:
                raise UserError(f"scorer.folder: {self.options.folder} has no score of {sub_block} {missing[0]}")
            yield sub_block, {label: scores[str(sub_block)][label] for label in wanted}


@hookimpl
def register_scorers() -> list[type[Scorer]]:
    return [StoredScorer]
