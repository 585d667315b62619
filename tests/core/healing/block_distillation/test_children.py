"""A child's own sub-blocks trained on the parent's activations, each alone or attention and FFN together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from blockwright.building.library import read_gradient_moment
from blockwright.child.assembly import assemble
from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.events import Event, listening
from blockwright.healing.block_distillation.children import COUPLED, DECOUPLED, ChildDistillation
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.healing.refitting import Replaced
from blockwright.healing.texts import HealingTexts
from blockwright.library import Library
from blockwright.models.divergence import Reference
from blockwright.models.stack import LayerStack
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.variants import SubBlock, VariantSpec

SETTINGS = BlockDistillSettings(tokens=3072, batch_tokens=256, learning_rate=0.02, evaluate_every=4, checkpoint_every=4)


@pytest.fixture(scope="module")
def child(parent: Parent, library: Library, plugins: Plugins) -> LayerStack:
    """Layer 0 is the parent's; layer 1 has one KV head and a narrow FFN, layer 2 no attention and a narrow FFN."""
    narrow = VariantSpec("ffn", "narrow", (("width", 12),))
    assignment = {SubBlock(1, "ffn"): narrow, SubBlock(2, "ffn"): narrow}
    assignment[SubBlock(1, "attention")] = VariantSpec("attention", "kv_heads", (("heads", 1),))
    assignment[SubBlock(2, "attention")] = VariantSpec("attention", "skip")
    return assemble(parent, library, assignment, plugins.variants)


@pytest.fixture(scope="module")
def texts(tokens: dict[str, torch.Tensor]) -> HealingTexts:
    return HealingTexts(tokens["calibration"], tokens["heldback"])


def distillation(parent: Parent, child: LayerStack, library: Library, folder: Path) -> ChildDistillation:
    def moment(sub_block: SubBlock) -> torch.Tensor:
        return read_gradient_moment(library.directory, sub_block)

    return ChildDistillation(parent.stack(), child, SETTINGS, moment, 0, folder)


def changed(first: LayerStack, second: LayerStack) -> set[str]:
    """Sub-blocks of which a weight differs, as `1.mlp`."""
    names = [name for index in range(len(first)) for name in _names(first, index)]
    differing = [name for name in names if not torch.equal(first.read(name), second.read(name))]
    return {".".join(name.split(".")[2:4]) for name in differing}


def _names(stack: LayerStack, index: int) -> list[str]:
    return [f"model.layers.{index}.{name}" for name in stack.layer(index).state_dict()]


def test_only_what_is_the_childs_own_is_trained(
    parent: Parent, child: LayerStack, library: Library, texts: HealingTexts, tmp_path: Path
) -> None:
    distilling = distillation(parent, child, library, tmp_path)
    trained = distilling.run(texts, DECOUPLED)
    assert [record.name for record in distilling.records()] == ["attention.1", "ffn.1", "ffn.2"]
    assert changed(child, trained) == {
        {"attention": "1.self_attn", "ffn": f"{record.name[-1]}.mlp"}[record.name.split(".")[0]]
        for record in distilling.records()
        if record.step > 0
    }
    assert sum(record.share_left for record in distilling.records()) < 2.9
    judge = Reference(parent.stack(), texts.heldback)
    assert judge.divergence(trained) < judge.divergence(child)


def test_pair_of_a_layer_trained_together_comes_closer_to_what_the_layer_adds(
    parent: Parent, child: LayerStack, library: Library, texts: HealingTexts, tmp_path: Path
) -> None:
    distilling = distillation(parent, child, library, tmp_path)
    trained = distilling.run(texts, COUPLED)
    records = {record.name: record for record in distilling.records()}
    assert set(records) == {"layer.1", "layer.2"}
    stream = _stream_before(parent.stack(), 1, texts.heldback)
    wanted, before, after = (_added(each, 1, stream) for each in (parent.stack(), child, trained))
    ratio = ((after - wanted).square().sum() / wanted.square().sum()).item()
    assert ratio == pytest.approx(records["layer.1"].after.plain, rel=1e-3)
    assert ratio < ((before - wanted).square().sum() / wanted.square().sum()).item()
    assert changed(child, trained) <= {"1.self_attn", "1.mlp", "2.mlp"}


def test_a_pair_of_which_one_is_the_parents_is_not_coupled(
    parent: Parent, library: Library, plugins: Plugins, texts: HealingTexts, tmp_path: Path
) -> None:
    one = {SubBlock(1, "ffn"): VariantSpec("ffn", "narrow", (("width", 12),))}
    distilling = distillation(parent, assemble(parent, library, one, plugins.variants), library, tmp_path)
    distilling.run(texts, COUPLED)
    assert distilling.records() == ()


def test_walk_that_was_stopped_passes_over_what_is_finished(
    parent: Parent, child: LayerStack, library: Library, texts: HealingTexts, tmp_path: Path
) -> None:
    whole = distillation(parent, child, library, tmp_path / "whole").run(texts, DECOUPLED)

    def stop(event: Event) -> None:
        if event.name == "layer_distilled" and event.fields["layer"] == 1:
            raise KeyboardInterrupt

    stopped = distillation(parent, child, library, tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt), listening(stop):
        stopped.run(texts, DECOUPLED)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "stopped").glob("*.safetensors")}
    assert {path.stem for path in finished} == {"attention.1", "ffn.1"}
    assert changed(stopped.run(texts, DECOUPLED), whole) == set()
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_an_ffn_that_does_the_work_of_several_layers_is_left_alone(
    parent: Parent, library: Library, texts: HealingTexts, tmp_path: Path
) -> None:
    """Layer 1 with its channels twice and half the output of each: wider than the parent's, as fused FFNs are."""
    prefix, source = "model.layers.1.mlp.", parent.source()
    twice = {
        f"{prefix}{name}.weight": source.read(f"{prefix}{name}.weight").repeat(2, 1)
        for name in ("gate_proj", "up_proj")
    }
    twice[f"{prefix}down_proj.weight"] = source.read(f"{prefix}down_proj.weight").repeat(1, 2) / 2
    config = BlockwrightConfig(**{**parent.config.to_dict(), "per_layer_config": {1: {"intermediate_size": 80}}})
    distilling = distillation(parent, LayerStack(config, Replaced(source, twice)), library, tmp_path)
    distilling.run(texts, DECOUPLED)
    distilling.run(texts, COUPLED)
    assert distilling.records() == ()


def test_a_fused_ffn_is_known_by_its_norm_where_it_is_no_wider_than_the_parents(
    parent: Parent, child: LayerStack, library: Library, texts: HealingTexts, tmp_path: Path
) -> None:
    """A parent whose gains are twos, and a narrow FFN whose gains are ones."""
    gains = {f"model.layers.{layer}.post_attention_layernorm.weight": torch.full((48,), 2.0) for layer in range(3)}
    twos = LayerStack(parent.stack().config, Replaced(parent.source(), gains))
    distilling = replace(distillation(parent, child, library, tmp_path), parent=twos)
    distilling.run(texts, DECOUPLED)
    assert [record.name for record in distilling.records()] == ["attention.1"]


def _stream_before(stack: LayerStack, layer: int, tokens: torch.Tensor) -> torch.Tensor:
    stream = stack.embed(tokens)
    with torch.no_grad():
        for index in range(layer):
            stream = stack.layer(index)(stream, **stack.attention_arguments(tokens.shape[1]))
    return stream


def _added(stack: LayerStack, layer: int, stream: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        after: torch.Tensor = stack.layer(layer)(stream, **stack.attention_arguments(stream.shape[1]))
    return after - stream
