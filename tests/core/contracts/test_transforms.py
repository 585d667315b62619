"""The transform contract catches transforms that break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from blockwright.contracts import transforms as contract
from blockwright.contracts.transforms import TRANSFORM_CONTRACT
from blockwright.errors import UserError
from blockwright.models.stack import LayerStack
from blockwright.transforms import Transform, TransformContext, Transformed, TransformOptions

Rule = Callable[[Transform], None]


class Nothing(Transform):
    """Sound: it changes nothing."""

    name = "nothing"

    def apply(self, context: TransformContext) -> Transformed:
        return Transformed(context.graph, context.child)


class Refusing(Nothing):
    def apply(self, context: TransformContext) -> Transformed:
        raise UserError("transforms: not this child")


class Forgetful(Nothing):
    """Says that it widened an FFN, and reads the old one."""

    def apply(self, context: TransformContext) -> Transformed:
        data = context.child.config.to_dict()
        overrides = data.pop("per_layer_config", {}) or {}
        config = type(context.child.config)(**data, per_layer_config={**overrides, 2: {"intermediate_size": 99}})
        return Transformed(context.graph, LayerStack(config, context.child.source))


class GraphOnly(Nothing):
    def apply(self, context: TransformContext) -> Transformed:
        node = context.graph.sub_blocks[-1]
        return Transformed(context.graph.replace_node(node.name, replace(node, params=1)), context.child)


class Meddling(Nothing):
    def apply(self, context: TransformContext) -> Transformed:
        context.child.source.read("model.norm.weight").add_(1)
        return Transformed(context.graph, context.child)


class Broken(Nothing):
    def apply(self, context: TransformContext) -> Transformed:
        return Transformed(context.graph, LayerStack(context.child.config, NotANumber(context.child)))


class NotANumber:
    def __init__(self, stack: LayerStack) -> None:
        self.stack = stack

    def names(self) -> list[str]:
        return list(self.stack.source.names())

    def read(self, name: str):  # type: ignore[no-untyped-def]
        return self.stack.source.read(name) * float("nan" if "embed" in name else 1)


class Fickle(Nothing):
    calls = 0

    def apply(self, context: TransformContext) -> Transformed:
        Fickle.calls += 1
        return Transformed(context.graph, context.child, joined=((f"ffn.{Fickle.calls}", "ffn.0"),))


class Naming(Nothing):
    def apply(self, context: TransformContext) -> Transformed:
        return Transformed(context.graph, context.child, joined=(("ffn.88", "ffn.99"),))


@pytest.mark.parametrize("sound", [Nothing, Refusing])
@pytest.mark.parametrize("rule", TRANSFORM_CONTRACT, ids=lambda rule: rule.__name__)
def test_a_sound_transform_keeps_it(rule: Rule, sound: type[Transform]) -> None:
    rule(sound(TransformOptions()))


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (Forgetful, contract.transform_makes_a_child_with_all_its_weights),
        (GraphOnly, contract.transform_keeps_graph_and_child_alike),
        (Meddling, contract.transform_leaves_the_given_child_as_it_is),
        (Broken, contract.transform_makes_a_child_that_runs),
        (Fickle, contract.transform_answers_alike_when_asked_again),
        (Naming, contract.transform_names_what_it_joins),
    ],
)
def test_a_transform_that_breaks_it_is_told(broken: type[Transform], rule: Rule) -> None:
    with pytest.raises(AssertionError, match="nothing: "):
        rule(broken(TransformOptions()))
