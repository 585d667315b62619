"""`block-parallel`: windows of whole layers run side by side from one stream (arXiv 2503.18908, section 6)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt

from blockwright.files import write_json
from blockwright.fusion.windows import choose_windows
from blockwright.plugins import hookimpl
from blockwright.text.sequences import first_tokens
from blockwright.transforms import DependencyTable, Transform, TransformContext, Transformed, TransformOptions

if TYPE_CHECKING:
    from blockwright.fusion.splitting import Dependencies

Distance = Annotated[float, Field(ge=0, le=2)]


class BlockParallelOptions(TransformOptions):
    """How many windows of how many layers, and how dependent their layers may be.

    `size`: layers of a window, those that add nothing not counted. `windows`: at most so many; those whose largest
    dependency (1 - cosine, 0 for none) is smallest are taken first. `threshold`: no window has a larger one.
    `exclude_last` leaves the model's last layer in its place: cosines do not see how much it adds (SmolLM2, three
    windows of two: KL 2.02 with it, 0.21 without). `tokens`: how many calibration tokens dependencies are measured on.
    """

    size: Annotated[int, Field(ge=2)] = 4
    windows: PositiveInt = 1
    threshold: Distance | None = None
    exclude_last: bool = True
    tokens: PositiveInt = 2048


class BlockParallel(Transform):
    """Lets the least dependent layers share their input; what they add to the stream is summed.

    Their weights stay as they are. The child runs in transformers only, with its own code; other engines refuse it.
    """

    name = "block-parallel"
    Options = BlockParallelOptions

    def apply(self, context: TransformContext) -> Transformed:
        from blockwright.child.configuration_blockwright import BlockwrightConfig
        from blockwright.fusion.rewriting import in_parallel
        from blockwright.models.stack import LayerStack

        options, child = self._options, context.child
        layers = sorted({node.layer for node in context.graph.sub_blocks if node.layer is not None})
        layers = layers[: len(layers) - options.exclude_last]
        dependencies = self._dependencies(context, reach=_reach(layers, options.size))
        windows = choose_windows(layers, dependencies, options.size, options.windows, options.threshold)
        table = (DependencyTable(tuple(map(_name, range(len(child)))), tuple(map(tuple, dependencies))),)
        if not windows:
            note = "no layers may run side by side: nothing changed"
            return Transformed(context.graph, child, dependencies=table, notes=(note,))
        config = BlockwrightConfig(
            **{**child.config.to_dict(), "parallel_windows": [[one[0], one[-1]] for one in windows]}
        )
        return Transformed(
            in_parallel(context.graph, windows),
            LayerStack(config, child.source, child.dtype, str(child.device)),
            tuple(tuple(_name(layer) for layer in window if layer in layers) for window in windows),
            table,
            {"windows": float(len(windows))},
            tuple(f"layers {window[0]}-{window[-1]} run side by side" for window in windows),
        )

    @property
    def _options(self) -> BlockParallelOptions:
        assert isinstance(self.options, BlockParallelOptions)
        return self.options

    def _dependencies(self, context: TransformContext, reach: int) -> Dependencies:
        """Measured once; a killed run finds them again."""
        from blockwright.fusion.dependencies import block_dependencies

        record = context.directory / "dependencies.json"
        if not record.exists():
            tokens = first_tokens(context.tokens["calibration"], self._options.tokens)
            write_json(record, block_dependencies(context.child, tokens, reach))
        found: Dependencies = json.loads(record.read_text())
        return found


def _name(layer: int) -> str:
    return f"layer.{layer}"


def _reach(layers: Sequence[int], size: int) -> int:
    """How far apart the ends of a window can be, layers that add nothing included."""
    return max((last - first for first, last in zip(layers, layers[size - 1 :], strict=False)), default=1)


@hookimpl
def register_transforms() -> list[type[Transform]]:
    return [BlockParallel]
