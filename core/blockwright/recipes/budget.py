"""The budget: limits on the whole child, absolute or as a share of the parent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from blockwright.errors import UserError, did_you_mean
from blockwright.recipes.mistakes import shown

Written = str | int | float  # as it stands in the recipe

_COUNTS: Mapping[str, float] = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
_DECIMAL: Mapping[str, float] = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_BYTES: Mapping[str, float] = {**_DECIMAL, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_UNITS: Mapping[str, Mapping[str, float]] = {"params": _COUNTS, "memory": _BYTES}
_EXAMPLES = {"params": "80%, 107_000_000 or 107M", "memory": "80%, '2 GiB', '500 MB' or a number of bytes"}
_LONGEST = 40  # characters; more than that is no number that anybody typed
_NUMBER_WITH_UNIT = re.compile(r"([-+]?[\d_]*\.?\d[\d_]*(?:e[-+]?\d+)?)\s*([a-z]*|%)", re.IGNORECASE)


@dataclass(frozen=True)
class Limit:
    """One limit: `value` in the resource's own unit, or in per cent of the parent's."""

    value: float
    relative: bool

    def of(self, parent: float) -> float:
        return parent * self.value / 100 if self.relative else self.value


def parse_limit(resource: str, written: object) -> Limit:
    """`80%`, `107M`, `2 GiB`; ValueError says what is wrong and what to write."""
    if isinstance(written, bool) or not isinstance(written, Written):
        raise ValueError(f"expected a limit like {_EXAMPLES[resource]}, got {shown(written)}")
    match = _NUMBER_WITH_UNIT.fullmatch(str(written).strip()) if len(str(written)) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{shown(written)} is no limit; write {_EXAMPLES[resource]}")
    number, unit = float(match[1].replace("_", "")), match[2].lower()
    if number <= 0 or not math.isfinite(number):
        more = "more than 0" if number <= 0 else "more than 0 and finite"
        raise ValueError(f"must be {more}, got {shown(written)}")
    return _share(number, written) if unit == "%" else _amount(resource, number, unit, written)


def _share(number: float, written: object) -> Limit:
    if number > 100:
        raise ValueError(f"a child cannot be larger than its parent: at most 100%, got {shown(written)}")
    return Limit(number, relative=True)


def _amount(resource: str, number: float, unit: str, written: object) -> Limit:
    units = _UNITS[resource]
    if unit not in units:
        raise ValueError(f"{shown(written)} has no unit of {resource}; write {_EXAMPLES[resource]}")
    value = number * units[unit]
    if value < 1:
        raise ValueError(f"{shown(written)} is less than one; for a share of the parent's write {100 * value:.4g}%")
    return Limit(value, relative=False)


def _checked(resource: str) -> BeforeValidator:
    def check(written: object) -> object:
        if written is not None:
            parse_limit(resource, written)
        return written

    return BeforeValidator(check)


class Budget(BaseModel):
    """The recipe's `budget` section, kept as written: `params` is a count, `memory` bytes of weights and KV cache."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    params: Annotated[Written | None, _checked("params")] = None
    memory: Annotated[Written | None, _checked("memory")] = None

    @model_validator(mode="after")
    def _limits_something(self) -> Budget:
        if not self.parsed:
            raise ValueError("limits nothing; set params (80%) or memory ('2 GiB')")
        return self

    @property
    def parsed(self) -> Mapping[str, Limit]:
        """The limits that are set, by resource."""
        written = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: parse_limit(name, value) for name, value in written.items() if value is not None}

    def limits(self, parent: Mapping[str, float]) -> Mapping[str, float]:
        """Absolute limits by resource, given what the parent takes; UserError for a resource that has no price."""
        unpriced = [name for name in self.parsed if name not in parent]
        if unpriced:
            raise UserError(
                *(f"budget.{name}: the cost model does not price it{did_you_mean(name, parent)}" for name in unpriced)
            )
        return {name: limit.of(parent[name]) for name, limit in self.parsed.items()}
