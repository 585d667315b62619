"""The stage `block-distill`, and a whole run with it that is killed in the middle of training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from blockwright.child.assembly import assemble
from blockwright.child.checkpoint import open_child, write_child
from blockwright.events import Event, listening
from blockwright.library import Library
from blockwright.models.divergence import Reference
from blockwright.models.stack import LayerStack
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.stages import Stage, StageContext
from blockwright.variants import SubBlock, VariantSpec

OPTIONS = {
    "tokens": 3072, "batch_tokens": 256, "learning_rate": 0.02, "evaluate_every": 4, "checkpoint_every": 4,
    "gradient_tokens": 512, "coupled": True,
}  # fmt: skip


def stage(plugins: Plugins) -> Stage:
    kind = plugins.stage("block-distill")
    return kind(kind.Options.model_validate(OPTIONS))


def context(parent: Parent, child: LayerStack, tokens: dict[str, torch.Tensor], folder: Path) -> StageContext:
    write_child(folder / "child", child, parent)
    return StageContext(parent, folder / "child", tokens, folder / "stage", seed=0)


@pytest.fixture
def child(parent: Parent, library: Library, plugins: Plugins) -> LayerStack:
    """Two narrow FFNs, and a linear attention beside one of them."""
    narrow = VariantSpec("ffn", "narrow", (("width", 12),))
    assignment = {SubBlock(0, "ffn"): narrow, SubBlock(2, "ffn"): narrow}
    assignment[SubBlock(2, "attention")] = VariantSpec("attention", "linear")
    return assemble(parent, library, assignment, plugins.variants)


def test_child_comes_closer_to_the_parent(
    parent: Parent, child: LayerStack, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    result = stage(plugins).run(context(parent, child, tokens, tmp_path))
    assert result.child == tmp_path / "stage" / "child"
    judge = Reference(parent.stack(), tokens["heldback"])
    assert judge.divergence(open_child(tmp_path / "child")) == pytest.approx(result.figures["before"], rel=1e-5)
    assert judge.divergence(open_child(result.child)) == pytest.approx(result.figures["after"], rel=1e-5)
    assert result.figures["after"] < result.figures["before"]
    assert result.figures["decoupled, share left of ffn.2"] < 1
    assert result.figures["coupled, tokens/s"] > 0
    assert "3 of 3 became better" in result.notes[0] or "2 of 3 became better" in result.notes[0]


def test_only_the_child_and_the_result_are_left_and_are_not_made_again(
    parent: Parent, child: LayerStack, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    given = context(parent, child, tokens, tmp_path)
    first = stage(plugins).run(given)
    assert {path.name for path in given.directory.iterdir()} == {"child", "result.json"}
    written = (first.child / "model.safetensors").stat().st_mtime_ns
    assert stage(plugins).run(given) == first
    assert (first.child / "model.safetensors").stat().st_mtime_ns == written


def test_there_is_nothing_to_train_in_the_parent_itself(
    parent: Parent, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    result = stage(plugins).run(context(parent, parent.stack(), tokens, tmp_path))
    assert result.child == tmp_path / "child"
    assert result.figures["before"] == result.figures["after"] == 0
    assert any("nothing to train" in note for note in result.notes)
    assert not (tmp_path / "stage" / "child").exists()


def test_stage_that_was_stopped_in_the_middle_of_training_goes_on_to_equal_weights(
    parent: Parent, child: LayerStack, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    whole = stage(plugins).run(context(parent, child, tokens, tmp_path / "whole"))
    given, seen = context(parent, child, tokens, tmp_path / "stopped"), list[tuple[object, object]]()

    def stop_at_the_third(event: Event) -> None:
        if event.name == "block_distill_checkpointed":
            seen.append((event.fields["sub_block"], event.fields["step"]))
            if len(seen) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop_at_the_third):
        stage(plugins).run(given)
    with listening(stop_at_the_third):
        gone_on = stage(plugins).run(given)
    assert len(seen) == len(set(seen))
    first, second = (load_file(result.child / "model.safetensors") for result in (whole, gone_on))
    assert all(torch.equal(first[name], second[name]) for name in first)
