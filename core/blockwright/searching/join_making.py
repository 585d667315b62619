"""From a space to the joins of its FFNs: which are open to the search, what each saves, and the problem with them."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.child.assembly import Variants
from blockwright.costs import CostModel, TableExceeded
from blockwright.costs.parts import PlacedVariant
from blockwright.errors import UserError
from blockwright.problem import Join, JoinRule, Problem
from blockwright.searching.pricing import Prices, Resources, Scenarios, Space, resources_in
from blockwright.soundness import refuse_problem
from blockwright.transforms import JoinLimits
from blockwright.variants import SubBlock, SubBlockShape, VariantSpec

if TYPE_CHECKING:
    from blockwright.parent import Parent

JOIN_SCORES = "joins.json"
Widths = Mapping[str, Mapping[str, int]]  # channels by sub-block and variant, 0 for a skipped FFN


def joinable_widths(parent: Parent, space: Space, variants: Variants) -> Widths:
    """Of all gated FFNs of the space and of those skipped; a linear one, or a stranger's, has none."""
    shape = parent.shape("ffn")
    widths: dict[str, dict[str, int]] = {}
    for sub_block, specs in space.items():
        if sub_block.slot == "ffn":
            found = {spec.label: _width(spec, shape, variants) for spec in specs}
            widths[str(sub_block)] = {label: width for label, width in found.items() if width is not None}
    return widths


def open_joins(parent: Parent, space: Space, variants: Variants, limits: JoinLimits) -> Iterator[Join]:
    """Without score and costs: one for each layer that may skip its attention, where both FFNs can be joined."""
    widths, skips = joinable_widths(parent, space, variants), _skips(parent, space, variants)
    for layer in range(parent.layers - 1):
        left, right, between = f"ffn.{layer}", f"ffn.{layer + 1}", f"attention.{layer + 1}"
        if skips.get(between) and any(widths.get(left, {}).values()) and any(widths.get(right, {}).values()):
            before = {} if limits.leading else {f"attention.{layer}": skips.get(f"attention.{layer}", frozenset())}
            yield Join(left, right, {between: skips[between], **before}, 0.0, {})


def savings_of_a_join(
    parent: Parent, widths: Widths, variants: Variants, cost_model: CostModel, scenarios: Scenarios
) -> Resources:
    """The least that joining an FFN to another, or to several joined, saves of each resource, whatever their widths.

    All FFNs of a parent are alike, so it is that of every join. UserError for a cost model that cannot price FFNs that
    are wider than the parent's.
    """
    single = sorted({width for offered in widths.values() for width in offered.values() if width})
    costs = _Costs(parent.shape("ffn"), variants, cost_model, scenarios)
    doubled = [2**power for power in range(max(1, math.ceil(math.log2(parent.layers))))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableExceeded)  # they become notes
        savings = [costs.saved(times * left, right) for left in single for times in doubled for right in single]
    return {resource: min(saved[resource] for saved in savings) for resource in savings[0]} if savings else {}


def with_join_savings(
    prices: Prices, parent: Parent, space: Space, variants: Variants, cost_model: CostModel
) -> Prices:
    """The prices of a space with what its joins save in the same scenarios."""
    scenarios = {name: priced.scenario for name, priced in prices.all}
    savings = savings_of_a_join(parent, joinable_widths(parent, space, variants), variants, cost_model, scenarios)
    return replace(prices, join_savings=savings, notes=tuple(cost_model.guesses))


def join_rule(parent: Parent, space: Space, variants: Variants, limits: JoinLimits) -> JoinRule:
    return JoinRule(joinable_widths(parent, space, variants), limits.max_width, limits.exclude_last)


def with_joins(problem: Problem, joins: Iterable[Join], savings: Resources, rule: JoinRule) -> Problem:
    """The problem with joins that have their scores, priced alike."""
    costs = {resource: -saved for resource, saved in savings.items()}
    joined = replace(problem, joins=tuple(replace(join, costs=costs) for join in joins), join_rule=rule)
    refuse_problem(joined)
    return joined


def scores_of_joins(folder: Path) -> dict[str, float]:
    """Of each join's left FFN, in nats per token, as far as `score_joins` has come."""
    record = folder / JOIN_SCORES
    scores: dict[str, float] = json.loads(record.read_text()) if record.exists() else {}
    return scores


def scored(joins: Iterable[Join], scores: Mapping[str, float]) -> tuple[Join, ...]:
    return tuple(replace(join, score=scores[join.left]) for join in joins)


class _Costs:
    """Resources of FFNs of any width, priced once each."""

    def __init__(self, shape: SubBlockShape, variants: Variants, cost_model: CostModel, scenarios: Scenarios) -> None:
        self._shape, self._variants, self._model, self._scenarios = shape, variants, cost_model, scenarios
        self._known: dict[int, Resources] = {}

    def saved(self, left: int, right: int) -> Resources:
        apart, joined = (self._of(left), self._of(right)), self._of(left + right)
        return {resource: apart[0][resource] + apart[1][resource] - cost for resource, cost in joined.items()}

    def _of(self, width: int) -> Resources:
        if width not in self._known:
            self._known[width] = self._priced(replace(self._shape, ffn_width=width))
        return self._known[width]

    def _priced(self, shape: SubBlockShape) -> Resources:
        placed = PlacedVariant.of(VariantSpec("ffn", "keep"), shape, self._variants)
        try:
            blocks = {
                name: (self._model.block(placed, scenario), scenario) for name, scenario in self._scenarios.items()
            }
        except UserError:
            raise UserError(
                f"search.fusion: the cost model '{self._model.name}' knows no times of joined FFNs; "
                "choose another, or `fusion: off`"
            ) from None
        return resources_in(blocks)


def _width(spec: VariantSpec, shape: SubBlockShape, variants: Variants) -> int | None:
    config = variants[spec.slot, spec.kind].layer_config(spec, shape)
    if config.get("skip"):
        return 0
    width = config.get("intermediate_size", shape.ffn_width)
    return width if set(config) <= {"intermediate_size"} and isinstance(width, int) else None


def _skips(parent: Parent, space: Space, variants: Variants) -> dict[str, frozenset[str]]:
    """By attention, the variants that leave nothing of it."""
    shape = parent.shape("attention")

    def skips(spec: VariantSpec) -> bool:
        return bool(variants[spec.slot, spec.kind].layer_config(spec, shape).get("skip"))

    attentions: Iterable[SubBlock] = (sub_block for sub_block in space if sub_block.slot == "attention")
    return {str(one): frozenset(spec.label for spec in space[one] if skips(spec)) for one in attentions}
