"""`ffn-fusion`: FFNs with no attention between them become one wide FFN (arXiv 2503.18908)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from blockwright.files import write_json
from blockwright.fusion.splitting import SplitRule, split
from blockwright.plugins import hookimpl
from blockwright.text.sequences import first_tokens
from blockwright.transforms import (
    DependencyTable,
    JoinLimits,
    Transform,
    TransformContext,
    Transformed,
    TransformOptions,
)
from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from blockwright.fusion.runs import Run
    from blockwright.fusion.splitting import Dependencies

Distance = Annotated[float, Field(ge=0, le=2)]


class FFNFusionOptions(TransformOptions):
    """What may be joined, and how wide a fused FFN may be.

    `max_width`: channels of one fused FFN, as many as its run has when it is not given. `threshold`: two FFNs of a
    larger dependency (1 - cosine, 0 for none) are not joined. `exclude_last`: leaves the last FFN of a run as it is.
    `leading`: lets in the FFN of a layer with attention when the next layer has none. `tokens`: how many calibration
    tokens dependencies are measured on. `joins: search` joins what the search has chosen (`search.fusion`), which keeps
    to the other options; `dependencies` joins as many as these allow.
    """

    max_width: PositiveInt | None = None
    threshold: Distance | None = None
    exclude_last: bool = True
    leading: bool = True
    tokens: PositiveInt = 4096
    joins: Literal["dependencies", "search"] = "dependencies"

    @model_validator(mode="after")
    def _have_one_judge(self) -> FFNFusionOptions:
        if self.joins == "search" and self.threshold is not None:
            raise ValueError("threshold: with `joins: search`, measured losses decide; leave the threshold out")
        return self


class FFNFusion(Transform):
    """Joins the members of each run, split by width and dependencies; the parallel sum takes the sequence's place.

    The wide FFN equals the parallel sum of its members exactly; that they no longer see each other's outputs is what
    the transform costs.
    """

    name = "ffn-fusion"
    Options = FFNFusionOptions

    @property
    def join_limits(self) -> JoinLimits | None:
        given = self._options
        return JoinLimits(given.max_width, given.exclude_last, given.leading) if given.joins == "search" else None

    def apply(self, context: TransformContext) -> Transformed:
        from blockwright.fusion.rewriting import fuse_nodes
        from blockwright.fusion.runs import find_runs, sketch_layers
        from blockwright.fusion.weights import fuse

        runs = find_runs(sketch_layers(context.child.config), self._options.leading)
        dependencies = self._dependencies(context, runs) if runs else {}
        joined = self._chosen(context, runs, dependencies)
        tables = tuple(DependencyTable(_names(run), _rows(dependencies[run])) for run in runs)
        if not joined:
            note = "no two FFNs follow each other without attention between"
            if runs:
                note = f"no two FFNs {'were chosen to' if self.join_limits else 'may'} be joined"
            return Transformed(context.graph, context.child, dependencies=tables, notes=(f"{note}: nothing changed",))
        return Transformed(
            fuse_nodes(context.graph, joined),
            fuse(context.child, joined),
            tuple(_names(part) for part in joined),
            tables,
            {"FFNs joined": float(sum(map(len, joined))), "into": float(len(joined))},
            tuple(f"FFNs {part} of {len(part)} layers run as one of {part.width} channels" for part in joined),
        )

    def _chosen(
        self, context: TransformContext, runs: Sequence[Run], dependencies: Mapping[Run, Dependencies]
    ) -> Sequence[Run]:
        from blockwright.fusion.runs import joined_runs, sketch_layers

        if self._options.joins == "search":
            return joined_runs(sketch_layers(context.child.config), context.joined)
        return [part for run in runs for part in split(run, self._rule, dependencies[run])]

    @property
    def _options(self) -> FFNFusionOptions:
        assert isinstance(self.options, FFNFusionOptions)
        return self.options

    @property
    def _rule(self) -> SplitRule:
        return SplitRule(self._options.max_width, self._options.threshold, self._options.exclude_last)

    def _dependencies(self, context: TransformContext, runs: Sequence[Run]) -> Mapping[Run, Dependencies]:
        """Measured once; a killed run finds them again."""
        from blockwright.fusion.dependencies import ffn_dependencies

        record = context.directory / "dependencies.json"
        if not record.exists():
            tokens = first_tokens(context.tokens["calibration"], self._options.tokens)
            measured = ffn_dependencies(context.child, tokens, runs)
            write_json(record, [measured[run] for run in runs])
        return dict(zip(runs, json.loads(record.read_text()), strict=True))


def _names(run: Run) -> tuple[str, ...]:
    return tuple(str(SubBlock(layer, "ffn")) for layer in run.layers)


def _rows(dependencies: Dependencies) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in dependencies)


@hookimpl
def register_transforms() -> list[type[Transform]]:
    return [FFNFusion]
