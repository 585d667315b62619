"""A lesson of the tiny parent: FFNs of layer 1 that were narrowed by plain slicing, and a linear map of nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.healing.block_distillation.lessons import Examples, Lesson, Measure, Student, student_layer
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.models.stack import LayerStack
from blockwright.parent import Parent

TRAINED = ("mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight")


@pytest.fixture
def settings() -> BlockDistillSettings:
    """16 steps."""
    return BlockDistillSettings(tokens=2048, batch_tokens=128, learning_rate=0.05, evaluate_every=4, checkpoint_every=5)


@pytest.fixture(scope="module")
def examples(parent: Parent, tokens: dict[str, torch.Tensor]) -> tuple[Examples, Examples]:
    """Before and after the FFN of layer 1, on calibration and held-back text."""
    return _examples(parent.stack(), tokens["calibration"]), _examples(parent.stack(), tokens["heldback"])


@pytest.fixture
def make_lesson(parent: Parent, examples: tuple[Examples, Examples]) -> Callable[..., Lesson]:
    """Of FFNs of so many channels, each called by its width."""

    def make(*widths: int, training: Measure | None = None) -> Lesson:
        students = {str(width): _sliced(parent, width) for width in widths}
        return Lesson("ffn.1", students, *examples, {}, training or Measure(), Measure())

    return make


def _examples(stack: LayerStack, tokens: torch.Tensor) -> Examples:
    with torch.no_grad():
        layer, arguments = stack.layer(1), stack.attention_arguments(tokens.shape[1])
        stream = stack.layer(0)(stack.embed(tokens), **arguments)
        stream = stream + layer.attend(stream, **arguments)
        return Examples(stream, layer.feed(stream))


def _sliced(parent: Parent, width: int) -> Student:
    config = BlockwrightConfig(**{**parent.config.to_dict(), "per_layer_config": {1: {"intermediate_size": width}}})
    whole = parent.stack().layer(1).state_dict()
    state = {name: whole[name][:width] for name in TRAINED[:2]}
    state |= {TRAINED[2]: whole[TRAINED[2]][:, :width]}
    state["post_attention_layernorm.weight"] = whole["post_attention_layernorm.weight"]
    return Student(student_layer(config, 1, "ffn", state), "ffn", TRAINED)
