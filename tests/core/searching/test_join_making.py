"""Which FFNs of a space may be joined, and what that saves."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from blockwright.building.library import Space
from blockwright.costs import CostModel, Scenario
from blockwright.errors import UserError
from blockwright.fusion.rewriting import fuse_nodes
from blockwright.fusion.runs import Run
from blockwright.graph.building import Outline, graph_of
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.problem import Choice, Join, JoinRule, Problem
from blockwright.searching.join_making import joinable_widths, open_joins, savings_of_a_join, with_joins
from blockwright.transforms import JoinLimits
from blockwright.variants import SubBlock, VariantSpec

SCENARIO = Scenario(batch=4, input_tokens=64, output_tokens=64, tensor_parallel=2)


def test_gated_ffns_have_their_width_skipped_ones_none_and_linear_ones_cannot_be_joined(
    parent: Parent, space: Space, plugins: Plugins
) -> None:
    widths = joinable_widths(parent, space, plugins.variants)
    assert set(widths) == {"ffn.0", "ffn.1", "ffn.2"}
    assert widths["ffn.1"] == {"keep": 40, "narrow=30": 30, "narrow=12": 12, "skip": 0}


def test_a_join_asks_for_the_attention_between_to_be_skipped(parent: Parent, space: Space, plugins: Plugins) -> None:
    first, second = open_joins(parent, space, plugins.variants, JoinLimits())
    assert first == Join("ffn.0", "ffn.1", {"attention.1": frozenset(["skip"])}, 0.0, {})
    assert second.allowed == {"attention.2": frozenset(["skip"])}


def test_without_leading_ffns_the_attention_before_is_skipped_too(
    parent: Parent, space: Space, plugins: Plugins
) -> None:
    first, *_ = open_joins(parent, space, plugins.variants, JoinLimits(leading=False))
    assert first.allowed == {f"attention.{layer}": frozenset(["skip"]) for layer in (0, 1)}


def test_layers_that_must_keep_their_attention_are_joined_to_none_before(
    parent: Parent, space: Space, plugins: Plugins
) -> None:
    kept = {**space, SubBlock(1, "attention"): [VariantSpec("attention", "keep")]}
    assert [join.left for join in open_joins(parent, kept, plugins.variants, JoinLimits())] == ["ffn.1"]


def savings(parent: Parent, space: Space, plugins: Plugins, model: CostModel) -> Mapping[str, float]:
    widths = joinable_widths(parent, space, plugins.variants)
    return savings_of_a_join(parent, widths, plugins.variants, model, {"scenario": SCENARIO})


def test_a_join_saves_a_norm_of_parameters(parent: Parent, space: Space, plugins: Plugins) -> None:
    assert savings(parent, space, plugins, CostModel(None))["params"] == parent.config.hidden_size


@pytest.mark.filterwarnings("ignore::blockwright.costs.TableExceeded")
def test_what_joins_are_said_to_save_is_never_more_than_what_the_fused_child_does(
    parent: Parent, space: Space, plugins: Plugins
) -> None:
    """On a machine where launches and all-reduces take most of the time of so small a model."""
    model = CostModel("h100-sxm")
    saved = savings(parent, space, plugins, model)
    for widths in ((40, 40, 40), (12, 30, 12)):
        specs = {
            SubBlock(layer, "ffn"): VariantSpec("ffn", "narrow", (("width", width),))
            for layer, width in enumerate(widths)
        }
        skipped = {SubBlock(layer, "attention"): VariantSpec("attention", "skip") for layer in (1, 2)}
        apart = graph_of(Outline.of(parent), {**specs, **skipped}, plugins.variants)
        joined = fuse_nodes(apart, [Run((0, 1, 2), widths)])
        before, after = (model.model(graph, SCENARIO) for graph in (apart, joined))
        assert 0 < 2 * saved["decode_ms"] <= before.decode_ms - after.decode_ms + 1e-12
        assert 2 * saved["params"] == before.parameters - after.parameters


def test_a_cost_model_that_knows_no_wider_ffns_is_told(parent: Parent, space: Space, plugins: Plugins) -> None:
    class OfTables(CostModel):
        name = "of-tables"

        @classmethod
        def suits(cls, hardware: object) -> int:
            return 1

        def time(self, part: object, work: object) -> None:
            raise UserError("no such part was timed")

    with pytest.raises(UserError, match=r"search\.fusion: the cost model 'of-tables' knows no times of joined FFNs"):
        savings(parent, space, plugins, OfTables(None))


def test_joins_of_a_problem_cost_what_is_saved() -> None:
    problem = Problem({"ffn.0": (Choice("keep", 0.0, {"ms": 1.0}),)}, {})
    rule = JoinRule(max_width=9)
    made = with_joins(problem, [Join("ffn.0", "ffn.1", {}, 0.25, {})], {"ms": 0.5}, rule)
    assert made.joins == (Join("ffn.0", "ffn.1", {}, 0.25, {"ms": -0.5}),)
    assert made.join_rule == rule
