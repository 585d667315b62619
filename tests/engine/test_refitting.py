from pathlib import Path

import pytest
import torch

from blockwright.assembly import assemble
from blockwright.checkpoint import open_child, write_child
from blockwright.evaluation import evaluate, final_stream
from blockwright.library import Library
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.refitting import RefitRule, Replaced, refitted_weights
from blockwright.stack import LayerStack
from blockwright.stages import StageContext
from blockwright.variants import SubBlock, VariantSpec


@pytest.fixture(scope="module")
def child(parent: Parent, library: Library, plugins: Plugins) -> LayerStack:
    """All FFNs narrowed, one attention with a single KV head, one linear, one skipped."""
    narrow = VariantSpec("ffn", "narrow", (("width", 12),))
    assignment = {SubBlock(layer, "ffn"): narrow for layer in range(3)}
    assignment[SubBlock(0, "attention")] = VariantSpec("attention", "kv_heads", (("heads", 1),))
    assignment[SubBlock(1, "attention")] = VariantSpec("attention", "linear")
    assignment[SubBlock(2, "attention")] = VariantSpec("attention", "skip")
    return assemble(parent, library, assignment, plugins.variants)


def test_a_refit_brings_the_childs_stream_closer_to_the_parents(
    parent: Parent, child: LayerStack, calibration: torch.Tensor
) -> None:
    weights = refitted_weights(parent.stack(), child, calibration, RefitRule(ridge=1e-3, correction=1.0))
    refitted = LayerStack(child.config, Replaced(child.source, weights))
    wanted = final_stream(parent.stack(), calibration)
    before, after = ((final_stream(each, calibration) - wanted).square().mean() for each in (child, refitted))
    assert float(after) < 0.95 * float(before)


def test_every_output_projection_is_refitted_and_nothing_else(
    parent: Parent, child: LayerStack, calibration: torch.Tensor
) -> None:
    weights = refitted_weights(parent.stack(), child, calibration[:4], RefitRule(0.1, 1.0))
    assert set(weights) == {
        "model.layers.0.self_attn.o_proj.weight",
        "model.layers.1.self_attn.linear.weight",
        *(f"model.layers.{layer}.mlp.down_proj.weight" for layer in range(3)),
    }
    assert all(tensor.shape == child.read(name).shape for name, tensor in weights.items())


def test_refitting_the_parent_itself_changes_nothing(parent: Parent, calibration: torch.Tensor) -> None:
    weights = refitted_weights(parent.stack(), parent.stack(), calibration, RefitRule(0.01, 1.0))
    assert all(torch.allclose(tensor, parent.source().read(name), atol=1e-4) for name, tensor in weights.items())


def _context(parent: Parent, child: LayerStack, tokens: dict[str, torch.Tensor], folder: Path) -> StageContext:
    write_child(folder / "child", child, parent)
    return StageContext(parent, folder / "child", tokens, folder / "stage", seed=0)


def test_the_stage_writes_a_child_that_is_better_on_held_back_tokens(
    parent: Parent, child: LayerStack, plugins: Plugins, calibration: torch.Tensor, tmp_path: Path
) -> None:
    tokens = {"calibration": calibration, "heldback": calibration[:8]}
    stage = plugins.stage("refit")
    result = stage(stage.Options(sweeps=2)).run(_context(parent, child, tokens, tmp_path))
    assert result.child == tmp_path / "stage" / "child"
    before, after = (
        evaluate(parent.stack(), open_child(folder), calibration).kl_nats_per_token
        for folder in (tmp_path / "child", result.child)
    )
    assert after < before
    assert result.figures["after"] < result.figures["before"]


def test_a_refit_that_does_not_pay_leaves_the_child_as_it_is(
    parent: Parent, child: LayerStack, plugins: Plugins, calibration: torch.Tensor, unseen: torch.Tensor, tmp_path: Path
) -> None:
    """One sequence to fit and hardly any ridge: it overfits, and held-back tokens say so."""
    tokens = {"calibration": calibration[:1], "heldback": unseen}
    stage = plugins.stage("refit")
    result = stage(stage.Options(ridge=(1e-6,))).run(_context(parent, child, tokens, tmp_path))
    assert result.child == tmp_path / "child"
    assert result.figures["after"] == result.figures["before"] < result.figures["sweep 1, ridge 1e-06, correction 1"]
    assert not (tmp_path / "stage").exists()
    assert "child stays" in result.notes[0]
