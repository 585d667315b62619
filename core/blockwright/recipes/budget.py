"""The budget: limits on the whole child in one scenario or several, absolute or relative to the parent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from blockwright.errors import UserError, did_you_mean
from blockwright.recipes.mistakes import KeyPath, shown

Written = str | int | float  # as it stands in the recipe

_COUNTS: Mapping[str, float] = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
_DECIMAL: Mapping[str, float] = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_BYTES: Mapping[str, float] = {**_DECIMAL, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_GIB: Mapping[str, float] = {"": 2**30, "gib": 2**30}
_TIMES: Mapping[str, float] = {"": 1, "ms": 1, "us": 1e-3, "s": 1e3}
_RATES: Mapping[str, float] = {"": 1, "k": 1e3}
_UNITS: Mapping[str, Mapping[str, float]] = {
    "params": _COUNTS, "memory": _BYTES, "memory_gib": _GIB, "tokens_per_s": _RATES,
    "prefill_ms": _TIMES, "decode_ms": _TIMES, "tpot_ms": _TIMES,
}  # fmt: skip
_EXAMPLES = {
    "params": "80%, 107_000_000 or 107M",
    "memory": "80%, '2 GiB', '500 MB' or a number of bytes",
    "memory_gib": "80% or 1.5",
    "tokens_per_s": "2.17x (of the parent's), 150% or 5000",
    **dict.fromkeys(("prefill_ms", "decode_ms", "tpot_ms"), "12.5, 60% (of the parent's) or 1.7x (as fast)"),
}
_RESOURCES = {"memory_gib": "memory", "tokens_per_s": "ms_per_token"}  # what is added up, where it has another name
_LEAST_ONE = ("params", "memory")  # what comes in whole pieces
_LONGEST = 40  # characters; more than that is no number that anybody typed
_NUMBER_WITH_UNIT = re.compile(r"([-+]?[\d_]*\.?\d[\d_]*(?:e[-+]?\d+)?)\s*([a-z]*|%)", re.IGNORECASE)


@dataclass(frozen=True)
class Limit:
    """A limit on what adds up: `value` in the resource's own unit, or in per cent of the parent's."""

    value: float
    relative: bool

    def of(self, parent: float) -> float:
        return parent * self.value / 100 if self.relative else self.value


def parse_limit(key: str, written: object) -> Limit:
    """`80%`, `107M`, `2 GiB`, `2.17x`; ValueError says what is wrong and what to write."""
    if isinstance(written, bool) or not isinstance(written, Written):
        raise ValueError(f"expected a limit like {_EXAMPLES[key]}, got {shown(written)}")
    match = _NUMBER_WITH_UNIT.fullmatch(str(written).strip()) if len(str(written)) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{shown(written)} is no limit; write {_EXAMPLES[key]}")
    number, unit = float(match[1].replace("_", "")), match[2].lower()
    if number <= 0 or not math.isfinite(number):
        more = "more than 0" if number <= 0 else "more than 0 and finite"
        raise ValueError(f"must be {more}, got {shown(written)}")
    if unit == "%":
        return _share(key, number, written)
    if unit == "x" and key not in ("params", "memory", "memory_gib"):
        return Limit(100 / number, relative=True)
    return _amount(key, number, unit, written)


def as_written(key: str, limits: Mapping[str, float], prefix: str = "") -> Written:
    """The inverse of `Limit.of`: a key's limit as a recipe has it, from absolute ones by resource."""
    value = limits[prefix + _RESOURCES.get(key, key)]
    if key == "tokens_per_s":
        return 1e3 / value
    return math.ceil(value) if key in _LEAST_ONE else value / _UNITS[key][""]


def _share(key: str, number: float, written: object) -> Limit:
    if key == "tokens_per_s":
        return Limit(100 * 100 / number, relative=True)
    if number > 100:
        raise ValueError(f"a child cannot take more than its parent: at most 100%, got {shown(written)}")
    return Limit(number, relative=True)


def _amount(key: str, number: float, unit: str, written: object) -> Limit:
    units = _UNITS[key]
    if unit not in units:
        raise ValueError(f"{shown(written)} has no unit of {key}; write {_EXAMPLES[key]}")
    value = number * units[unit]
    if value < 1 and key in _LEAST_ONE:
        raise ValueError(f"{shown(written)} is less than one; for a share of the parent's write {100 * value:.4g}%")
    return Limit(1e3 / value if key == "tokens_per_s" else value, relative=False)


def _checked(key: str) -> BeforeValidator:
    def check(written: object) -> object:
        if written is not None:
            parse_limit(key, written)
        return written

    return BeforeValidator(check)


class ScenarioBudget(BaseModel):
    """Limits in one scenario, as written: memory of each GPU, milliseconds, and tokens per second of all sequences."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    memory: Annotated[Written | None, _checked("memory")] = None
    memory_gib: Annotated[Written | None, _checked("memory_gib")] = None
    prefill_ms: Annotated[Written | None, _checked("prefill_ms")] = None
    decode_ms: Annotated[Written | None, _checked("decode_ms")] = None
    tpot_ms: Annotated[Written | None, _checked("tpot_ms")] = None
    tokens_per_s: Annotated[Written | None, _checked("tokens_per_s")] = None

    @model_validator(mode="after")
    def _limits_memory_once(self) -> ScenarioBudget:
        if self.memory is not None and self.memory_gib is not None:
            raise ValueError("memory and memory_gib are the same limit; write one of them")
        return self

    def written(self) -> Iterator[tuple[str, Written]]:
        """The keys that are set, each with its limit as it was written."""
        for key in _UNITS:
            value = getattr(self, key, None)
            if value is not None:
                yield key, value


class Floors(BaseModel):
    """What the child must have at least, as written: counts and bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    params: Annotated[Written | None, _checked("params")] = None
    memory: Annotated[Written | None, _checked("memory")] = None


class Budget(ScenarioBudget):
    """The recipe's `budget` section: limits in the recipe's own scenario, and in the named ones under `scenarios`."""

    params: Annotated[Written | None, _checked("params")] = None
    scenarios: Mapping[str, ScenarioBudget] = {}
    at_least: Floors | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Budget:
        if not self.parsed:
            raise ValueError("limits nothing; set params (80%), memory ('2 GiB') or, with hardware, tokens_per_s (2x)")
        return self

    @property
    def parsed(self) -> Mapping[str, Limit]:
        """The limits that are set, by resource."""
        return {resource: parse_limit(str(path[-1]), value) for resource, path, value in self._entries()}

    def path_of(self, resource: str) -> KeyPath:
        """Where a resource's limit is written; the section itself for one that is not."""
        return next((path for name, path, _ in self._entries() if name == resource), ("budget",))

    def limits(self, parent: Mapping[str, float]) -> Mapping[str, float]:
        """Absolute limits by resource, given what the parent takes; UserError for a resource that has no price."""
        unpriced = {name: ".".join(map(str, self.path_of(name))) for name in self.parsed if name not in parent}
        if unpriced:
            raise UserError(*(f"{key}: {_why_unpriced(name, parent)}" for name, key in unpriced.items()))
        return {name: limit.of(parent[name]) for name, limit in self.parsed.items()}

    def floors(self, parent: Mapping[str, float]) -> Mapping[str, float]:
        """The least of each resource that has a floor, given what the parent takes."""
        written = {} if self.at_least is None else self.at_least.model_dump(exclude_none=True)
        return {name: parse_limit(name, value).of(parent[name]) for name, value in written.items()}

    def _entries(self) -> Iterator[tuple[str, KeyPath, Written]]:
        """Resource, place and limit of all that is set."""
        for key, value in self.written():
            yield _RESOURCES.get(key, key), ("budget", key), value
        for name, limits in self.scenarios.items():
            for key, value in limits.written():
                yield f"{name}.{_RESOURCES.get(key, key)}", ("budget", "scenarios", name, key), value


def _why_unpriced(resource: str, parent: Mapping[str, float]) -> str:
    scenario, dot, _ = resource.rpartition(".")
    named = {name.rpartition(".")[0] for name in parent if "." in name}
    if dot and scenario not in named:
        known = did_you_mean(scenario, named) if named else "; there is none in `scenarios`"
        return f"no scenario is called '{scenario}'{known}"
    if resource.endswith(("_ms", "ms_per_token")):
        return "times need a machine and a cost model that knows it; add `hardware: h100-sxm`, or another"
    return f"the cost model does not price it{did_you_mean(resource, parent)}"
