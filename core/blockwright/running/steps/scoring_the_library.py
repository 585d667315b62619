"""02-scores: what each variant loses, in nats per token, on text that the library has not seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from blockwright.events import emit
from blockwright.executors import HERE, Executor
from blockwright.files import write_json
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.scoring import PiecewiseScorer, ScoreContext, Scorer, Scores, ScoresOrigin
from blockwright.soundness import refuse_scores
from blockwright.variants import SubBlock


@dataclass(frozen=True)
class ScoreStep(Step):
    scorer: Scorer
    seed: int
    executor: Executor = HERE

    def run(self, files: RunFiles, folder: Path) -> None:
        """One small file a sub-block under way, then `scores.json` of them all, and `origin.json` of what they are."""
        parts = folder / "parts"
        scored = {SubBlock.parse(path.stem) for path in parts.glob("*.json")}
        context = ScoreContext(
            files.base, files.library, files.variants, files.tokens["scoring"], folder, self.seed, frozenset(scored)
        )
        total = len(files.parent.sub_blocks())
        for sub_block in self._scored(context, parts):
            scored.add(sub_block)
            emit("scores_stored", done=len(scored), total=total, sub_block=str(sub_block))
        write_json(folder / "scores.json", {str(sub_block): _read(parts, sub_block) for sub_block in sorted(scored)})
        origin = ScoresOrigin(
            self.scorer.name, self.scorer.in_nats, self.scorer.guesses, files.base is not files.parent
        )
        write_json(folder / "origin.json", asdict(origin))

    def _scored(self, context: ScoreContext, parts: Path) -> Iterator[SubBlock]:
        """Each sub-block whose scores have just been written into `parts`."""
        if self.executor.apart and isinstance(self.scorer, PiecewiseScorer):
            from blockwright.scoring_apart import score_apart

            yield from score_apart(self.scorer, context, parts, self.executor)
            return
        for sub_block, scores in self.scorer.score(context):
            refuse_scores(sub_block, scores, self.scorer.name)
            write_json(parts / f"{sub_block}.json", dict(scores))
            yield sub_block


def _read(parts: Path, sub_block: SubBlock) -> Scores:
    scores: Scores = json.loads((parts / f"{sub_block}.json").read_text())
    return scores
