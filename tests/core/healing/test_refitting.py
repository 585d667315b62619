from pathlib import Path

import pytest
import torch

from blockwright.building.library import read_gradient_moment
from blockwright.child.assembly import assemble
from blockwright.child.checkpoint import open_child, write_child
from blockwright.healing.refitting import PRESENT, OutputMoments, RefitRule, Refitting, Replaced
from blockwright.healing.texts import HealingTexts
from blockwright.library import Library
from blockwright.models.divergence import final_stream
from blockwright.models.evaluation import evaluate
from blockwright.models.stack import LayerStack
from blockwright.parent import Parent
from blockwright.plugins import Plugins
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


@pytest.fixture(scope="module")
def texts(tokens: dict[str, torch.Tensor]) -> HealingTexts:
    return HealingTexts(tokens["calibration"], tokens["heldback"])


@pytest.fixture(scope="module")
def moments(parent: Parent, library: Library) -> OutputMoments:
    return {sub_block: read_gradient_moment(library.directory, sub_block) for sub_block in parent.sub_blocks()}


@pytest.mark.parametrize("output_weighted", [False, True])
def test_a_refit_brings_the_childs_stream_closer_to_the_parents(
    parent: Parent, child: LayerStack, texts: HealingTexts, moments: OutputMoments, output_weighted: bool
) -> None:
    refitted = Refitting(parent.stack(), child, [RefitRule(1e-3, 1.0, output_weighted)], moments).run(texts)
    wanted = final_stream(parent.stack(), texts.heldback)
    before, after = ((final_stream(each, texts.heldback) - wanted).square().mean() for each in (child, refitted))
    assert float(after) < 0.97 * float(before)


def test_only_output_projections_are_refitted(
    parent: Parent, child: LayerStack, texts: HealingTexts, moments: OutputMoments
) -> None:
    refitting = Refitting(parent.stack(), child, [RefitRule(0.1)], moments)
    refitting.run(texts)
    assert set(refitting.weights) <= {
        "model.layers.0.self_attn.o_proj.weight",
        "model.layers.1.self_attn.linear.weight",
        *(f"model.layers.{layer}.mlp.down_proj.weight" for layer in range(3)),
    }
    assert refitting.weights
    assert all(tensor.shape == child.read(name).shape for name, tensor in refitting.weights.items())


def test_each_sub_block_takes_the_rule_that_leaves_least_error_on_held_back_text(
    parent: Parent, child: LayerStack, texts: HealingTexts, moments: OutputMoments
) -> None:
    rules = [RefitRule(1e-7), RefitRule(0.1), RefitRule(0.1, output_weighted=True), RefitRule(0.1, correction=0.0)]
    refitting = Refitting(parent.stack(), child, rules, moments)
    refitting.run(texts)
    assert [decision.sub_block for decision in refitting.decisions] == [
        sub_block for sub_block in parent.sub_blocks() if sub_block != SubBlock(2, "attention")
    ]
    for decision in refitting.decisions:
        assert set(decision.shares) == {PRESENT, *map(str, rules)}
        assert decision.shares[PRESENT] == pytest.approx(1)
        assert decision.shares[decision.taken] == min(decision.shares.values())


def test_the_error_of_a_rule_is_that_of_its_outputs(
    parent: Parent, texts: HealingTexts, moments: OutputMoments
) -> None:
    """A child whose first projection is disturbed: its share from moments, against the same from the outputs."""
    name = "model.layers.0.self_attn.o_proj.weight"
    disturbance = 0.1 * torch.randn(48, 48, generator=torch.Generator().manual_seed(8))
    disturbed = Replaced(parent.source(), {name: parent.source().read(name) + disturbance})
    child = LayerStack(parent.stack().config, disturbed)
    refitting = Refitting(parent.stack(), child, [RefitRule(0.1)], moments)
    refitted = refitting.run(texts)
    metric, stream = moments[SubBlock(0, "attention")].double(), parent.stack().embed(texts.heldback)
    weight, arguments = stream.square().mean(-1, keepdim=True).rsqrt(), parent.stack().attention_arguments(32)

    def loss(stack: LayerStack) -> float:
        error = stack.layer(0).attend(stream, **arguments) - parent.stack().layer(0).attend(stream, **arguments)
        error = (error * weight).flatten(0, 1).double()
        return float(((error @ metric) * error).sum())

    share = refitting.decisions[0].shares[str(RefitRule(0.1))]
    assert share < 0.5
    assert share == pytest.approx(loss(refitted) / loss(child), rel=1e-3)


def test_there_is_nothing_to_refit_in_the_parent_itself(
    parent: Parent, texts: HealingTexts, moments: OutputMoments
) -> None:
    refitted = Refitting(parent.stack(), parent.stack(), [RefitRule(0.01)], moments).run(texts)
    for name in parent.source().names():
        assert torch.allclose(refitted.read(name), parent.source().read(name), atol=1e-4)


def _context(parent: Parent, child: LayerStack, tokens: dict[str, torch.Tensor], folder: Path) -> StageContext:
    write_child(folder / "child", child, parent)
    return StageContext(parent, folder / "child", tokens, folder / "stage", seed=0)


def test_the_stage_writes_a_child_that_is_better_on_held_back_tokens(
    parent: Parent, child: LayerStack, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    stage = plugins.stage("refit")
    result = stage(stage.Options(sweeps=2, gradient_tokens=256)).run(_context(parent, child, tokens, tmp_path))
    assert result.child == tmp_path / "stage" / "child"
    before, after = (
        evaluate(parent.stack(), open_child(folder), tokens["heldback"]).kl_nats_per_token
        for folder in (tmp_path / "child", result.child)
    )
    assert after < before
    assert result.figures["after"] < result.figures["before"]
    assert any("sub-blocks, leaving" in note for note in result.notes)


def test_a_refit_that_does_not_pay_leaves_the_child_as_it_is(
    parent: Parent, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """The parent itself as the child: nothing can come closer."""
    stage = plugins.stage("refit")
    context = _context(parent, parent.stack(), tokens, tmp_path)
    result = stage(stage.Options(gradient_tokens=256)).run(context)
    assert result.child == tmp_path / "child"
    assert result.figures["after"] == result.figures["before"] == 0
    assert not (tmp_path / "stage" / "child").exists()
    assert any("is undone" in note for note in result.notes)
