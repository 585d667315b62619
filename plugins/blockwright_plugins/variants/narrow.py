"""`narrow`: an FFN of fewer channels, chosen by what their loss costs at the output, refitted in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import field_validator

from blockwright.costs.parts import ffn_operations
from blockwright.variants import (
    BlockVariant,
    ParentRows,
    SubBlockShape,
    VariantError,
    VariantOptions,
    VariantSpec,
    Weights,
)
from blockwright_plugins.variants.counting import ffn_parameters, share_of

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.building.channels import FFNMoments, Refit
    from blockwright.construction import LibrarySettings, SubBlockContext
    from blockwright.costs import Work
    from blockwright.hardware.operations import Operation


class NarrowOptions(VariantOptions):
    """`width`: channels to keep, a number or a share of the parent's (`50%`)."""

    width: int | str

    @field_validator("width")
    @classmethod
    def _is_positive(cls, width: int | str) -> int | str:
        share_of(width, 100) if isinstance(width, str) else None
        if isinstance(width, int) and width < 1:
            raise ValueError("a width is at least 1; write `skip` for no FFN")
        return width


class NarrowFFN(BlockVariant):
    """Keeps the channels whose loss costs least and refits the down projection; all widths come from one pass."""

    slot = "ffn"
    kind = "narrow"
    Options = NarrowOptions
    main_option = "width"
    contract_options = ({"width": 20}, {"width": "50%"})

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        assert isinstance(options, NarrowOptions)
        width = share_of(options.width, shape.ffn_width) if isinstance(options.width, str) else options.width
        if not 1 <= width <= shape.ffn_width:
            raise VariantError(f"a width of {width} does not fit the parent's FFN of {shape.ffn_width} channels")
        if width == shape.ffn_width:
            return VariantSpec("ffn", "keep")
        return VariantSpec("ffn", "narrow", (("width", width),))

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return ffn_parameters(shape, _width(spec))

    def operations(self, spec: VariantSpec, shape: SubBlockShape, work: Work) -> Iterable[Operation]:
        return ffn_operations(shape, _width(spec), work)

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {"intermediate_size": _width(spec)}

    def solving_operations(
        self, specs: Sequence[VariantSpec], shape: SubBlockShape, settings: LibrarySettings
    ) -> float:
        """An inverse, its updates and those of the weights while channels go, each channel's cost at every step."""
        hidden, width, least = shape.hidden_size, shape.ffn_width, min(map(_width, specs))
        gone = width**2 - least**2
        elimination = width**3 + 2 * (width**3 - least**3) / 3 + hidden * gone
        costs = hidden**2 * gone / settings.channels_at_once if "output" in settings.channel_choices else 0.0
        judging = 2 * hidden * width * (hidden + width) * len(specs)
        return len(settings.channel_choices) * (elimination + judging) + costs

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        """Drops channels step by step and solves for the down projection at every width asked for.

        Each way of choosing channels is tried; held-back text decides, width by width.
        """
        from blockwright.building.channels import FFNMoments, nested_refits

        down, gradient = context.weights["down_proj.weight"], context.gradient_moment
        moments = FFNMoments(context.statistics.features, down, gradient)
        widths = [_width(spec) for spec in specs]
        tried: dict[str, Mapping[int, Refit]] = {
            choice: nested_refits(moments, widths, context.settings, choice)
            for choice in context.settings.channel_choices
        }
        judge = FFNMoments(context.heldback_statistics.features, down, gradient)
        return {spec: _weights(context, _best(spec, tried, judge, context)) for spec in specs}


def _best(
    spec: VariantSpec, tried: Mapping[str, Mapping[int, Refit]], judge: FFNMoments, context: SubBlockContext
) -> Refit:
    """The refit of least expected loss on held-back text; what each would have lost goes on record."""
    from blockwright.building.channels import expected_loss

    losses = {choice: expected_loss(refits[_width(spec)], judge) for choice, refits in tried.items()}
    context.record(spec, losses)
    return tried[min(losses, key=lambda choice: losses[choice])][_width(spec)]


def _weights(context: SubBlockContext, refit: Refit) -> Weights:
    kept, down = refit
    weights: dict[str, Tensor | ParentRows] = {
        name: ParentRows(name, kept) for name in context.weights if name.startswith(("gate_proj", "up_proj"))
    }
    weights["down_proj.weight"] = down
    if "down_proj.bias" in context.weights:
        weights["down_proj.bias"] = context.weights["down_proj.bias"]
    return weights


def _width(spec: VariantSpec) -> int:
    return int(spec.option("width"))
