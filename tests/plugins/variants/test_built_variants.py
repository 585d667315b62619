"""Variants that are built from the parent do better than what they would be without their closed forms."""

from __future__ import annotations

import torch

from blockwright.library import Library
from blockwright.models.stack import LayerStack
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.searching.replacement import Replacements
from blockwright.variants import SubBlock, VariantSpec


def _stream_and_output(stack: LayerStack, tokens: torch.Tensor, slot: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The stream before a sub-block of layer 0 and what the parent's adds to it."""
    layer, stream = stack.layer(0), stack.embed(tokens)
    attended = layer.attend(stream, **stack.attention_arguments(tokens.shape[1]))
    return (stream, attended) if slot == "attention" else (stream + attended, layer.feed(stream + attended))


def test_the_linear_replacement_is_the_best_linear_map_of_the_calibration_text(
    parent: Parent, library: Library, plugins: Plugins, calibration: torch.Tensor
) -> None:
    stack = parent.stack()
    for slot, norm in (("attention", "input_layernorm"), ("ffn", "post_attention_layernorm")):
        stream, wanted = _stream_and_output(stack, calibration, slot)
        normed = stack.layer(0).get_submodule(norm)(stream).flatten(0, 1).double()
        best = torch.linalg.lstsq(normed, wanted.flatten(0, 1).double()).solution
        least = (normed @ best - wanted.flatten(0, 1)).square().mean()
        replacements = Replacements(parent, library, plugins.variants)
        output = replacements.output(SubBlock(0, slot), VariantSpec(slot, "linear"), stream)  # type: ignore[arg-type]
        assert float((output - wanted).square().mean()) < 1.01 * float(least)


def test_merged_attention_with_its_refit_is_closer_than_without(
    parent: Parent, library: Library, plugins: Plugins, unseen: torch.Tensor
) -> None:
    stack, spec = parent.stack(), VariantSpec("attention", "kv_heads", (("heads", 1),))
    stream, wanted = _stream_and_output(stack, unseen, "attention")
    refitted = Replacements(parent, library, plugins.variants).output(SubBlock(0, "attention"), spec, stream)
    weights = library.weights(SubBlock(0, "attention"), spec)
    parents_own = parent.source().read("model.layers.0.self_attn.o_proj.weight")
    assert weights["k_proj.weight"].shape == weights["v_proj.weight"].shape == (8, 48)
    assert not torch.allclose(weights["o_proj.weight"], parents_own)
    features = torch.linalg.lstsq(weights["o_proj.weight"].double(), refitted.flatten(0, 1).T.double()).solution.T
    without = (features @ parents_own.double().T).view_as(wanted)
    assert float((refitted - wanted).square().mean()) < float((without - wanted).square().mean())


def test_narrow_variants_store_an_index_and_not_the_parents_rows(library: Library, parent: Parent) -> None:
    from safetensors import safe_open

    with safe_open(library.directory / "ffn.1.safetensors", framework="pt") as file:
        names = set(file.keys())
    assert not any("up_proj" in name and not name.startswith("narrow=") for name in names)
    stored = sum("gate_proj" in name for name in names) + sum("up_proj" in name for name in names)
    assert stored == 2  # one index a width, shared by gate and up
    weights = library.weights(SubBlock(1, "ffn"), VariantSpec("ffn", "narrow", (("width", 12),)))
    rows = parent.source().read("model.layers.1.mlp.up_proj.weight")
    assert weights["up_proj.weight"].shape == (12, 48)
    assert all(any(torch.equal(row, own) for own in rows) for row in weights["up_proj.weight"])
