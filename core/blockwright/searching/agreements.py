"""Layers that must agree: `search: {agree: [{slot: ffn, layers: 0-9}]}`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, field_validator

from blockwright.spaces.layers import LayerRange
from blockwright.variants import Slot, SubBlock


class Agreement(BaseModel):
    """All these layers take the same variant in a slot, for engines and kernels that want layers alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    slot: Slot
    layers: str | int | tuple[str | int, ...]

    @field_validator("layers")
    @classmethod
    def _are_layers(cls, written: str | int | tuple[str | int, ...]) -> str | int | tuple[str | int, ...]:
        list(_ranges(written))
        return written

    def group(self, count: int) -> tuple[str, ...]:
        """The sub-blocks of a parent with `count` layers."""
        layers = sorted({layer for one in _ranges(self.layers) for layer in one.layers(count)})
        return tuple(str(SubBlock(layer, self.slot)) for layer in layers)

    def mistakes(self, count: int) -> list[str]:
        """Layers that such a parent does not have."""
        return [mistake.message for one in _ranges(self.layers) for mistake in one.mistakes(count)]


def groups_of(agreements: Sequence[Agreement], count: int) -> tuple[tuple[str, ...], ...]:
    return tuple(agreement.group(count) for agreement in agreements)


def _ranges(written: str | int | tuple[str | int, ...]) -> Iterator[LayerRange]:
    """ValueError for what is no layer and no range of them."""
    for one in written if isinstance(written, tuple) else (written,):
        yield LayerRange.parse(one)
