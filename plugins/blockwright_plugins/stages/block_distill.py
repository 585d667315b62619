"""`block-distill`: the child's replacements trained on the parent's activations, kept where the whole child gains."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from blockwright.files import write_json
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.plugins import hookimpl
from blockwright.stages import Stage, StageContext, StageOptions, StageResult

if TYPE_CHECKING:
    from blockwright.healing.block_distillation.results import Record
    from blockwright.models.stack import LayerStack

RESULT, WORK = "result.json", "work"


class BlockDistillOptions(BlockDistillSettings, StageOptions):
    """`coupled`: afterwards trains both sub-blocks of a layer together, where both are not the parent's own.

    Then what counts is what the layer adds to the stream: an FFN makes up for an attention that was skipped.
    `gradient_tokens`: how many tokens the output's sensitivity is measured on. The rest is how training goes.
    """

    coupled: bool = False
    gradient_tokens: PositiveInt = 4096


class BlockDistillStage(Stage):
    """Puzzle's blockwise local distillation (2411.19146, section 3) of the child that was chosen.

    Held-back tokens stop the training of each sub-block, which never ends worse than it began; then they decide
    whether the whole child is kept. To be put before `refit`, which mends what earlier layers still leave.
    """

    name = "block-distill"
    heals = True
    Options = BlockDistillOptions
    contract_options = (
        {"tokens": 512, "batch_tokens": 64, "evaluate_every": 2, "gradient_tokens": 64, "coupled": True},
    )

    def run(self, context: StageContext) -> StageResult:
        """What is found in the stage's folder is not done again; at the end only the child and the result are left."""
        result = context.directory / RESULT
        if not result.exists():
            figures, notes, pays = self._distill(context)
            write_json(result, {"figures": figures, "notes": notes, "pays": pays})
        shutil.rmtree(context.directory / WORK, ignore_errors=True)
        found = json.loads(result.read_text())
        child = context.directory / "child" if found["pays"] else context.child
        return StageResult(child, found["figures"], tuple(found["notes"]))

    def _distill(self, context: StageContext) -> tuple[dict[str, float], list[str], bool]:
        """Figures, notes, and whether there is a better child, which is written then."""
        from blockwright.child.checkpoint import open_child, write_child
        from blockwright.models.divergence import Reference

        judge = Reference(context.parent.stack(), context.tokens["heldback"])
        child = open_child(context.child)
        lowest = judge.divergence(child)
        figures, notes = {"before": lowest}, []
        for way in ("decoupled", "coupled") if self._options.coupled else ("decoupled",):
            trained, records = self._trained(context, child, way)
            figures[way] = judge.divergence(trained)
            figures |= dict(_figures(way, records))
            notes += _notes(way, records)
            if figures[way] < lowest:
                lowest, child = figures[way], trained
            elif any(record.step > 0 for record in records):
                notes.append(f"{way}: did not lower the whole child's KL on held-back tokens, and is undone")
        figures["after"] = lowest
        pays = lowest < figures["before"]
        if pays:
            write_child(context.directory / "child", child, context.parent)
        return figures, notes, pays

    @property
    def _options(self) -> BlockDistillOptions:
        assert isinstance(self.options, BlockDistillOptions)
        return self.options

    def _trained(self, context: StageContext, child: LayerStack, way: str) -> tuple[LayerStack, Sequence[Record]]:
        from blockwright.building.gradients import output_moments
        from blockwright.healing.block_distillation.children import COUPLED, DECOUPLED, ChildDistillation
        from blockwright.healing.texts import HealingTexts

        folder, parts = context.directory / WORK / way, COUPLED if way == "coupled" else DECOUPLED
        moment = output_moments(context, self._options.gradient_tokens, context.directory / WORK)
        distillation = ChildDistillation(context.parent.stack(), child, self._options, moment, context.seed, folder)
        texts = HealingTexts.of(context, self._options.tokens)
        return distillation.run(texts, parts), distillation.records()


def _figures(way: str, records: Sequence[Record]) -> Iterator[tuple[str, float]]:
    """What is left of each sub-block's loss, 1 where it stays as it was, and how fast training went."""
    for record in records:
        yield f"{way}, share left of {record.name}", record.share_left
    speeds = [record.tokens_per_s for record in records if record.tokens_per_s > 0]
    if speeds:
        yield f"{way}, tokens/s", len(speeds) / sum(1 / speed for speed in speeds)


def _notes(way: str, records: Sequence[Record]) -> list[str]:
    if not records:
        which = "pairs of which both" if way == "coupled" else "sub-blocks that"
        return [f"{way}: there is nothing to train, the child has no {which} are its own"]
    better = [record for record in records if record.step > 0]
    before, after = (sum(getattr(one, key).judged for one in records) for key in ("before", "after"))
    left = after / before if before else 1.0
    plain = [sum(getattr(one, key).plain for one in records) / len(records) for key in ("before", "after")]
    return [
        f"{way}: {len(better)} of {len(records)} became better, leaving {100 * left:.1f}% of their loss on "
        "held-back text as the output sees it",
        f"{way}: MSE(o_parent, o_child) / MSE(o_parent, 0) there went from {plain[0]:.4g} to {plain[1]:.4g} on average",
    ]


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [BlockDistillStage]
