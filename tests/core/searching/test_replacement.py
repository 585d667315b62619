import torch

from blockwright.building.library import Space
from blockwright.child.assembly import assemble
from blockwright.library import Library
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.searching.replacement import Replacements
from blockwright.variants import VariantSpec


def test_a_kept_sub_block_gives_the_parents_output(
    parent: Parent, library: Library, plugins: Plugins, unseen: torch.Tensor
) -> None:
    stream, layer = parent.stack().embed(unseen), parent.stack().layer(0)
    [sub_block, _] = parent.sub_blocks()[:2]
    output = Replacements(parent, library, plugins.variants).output(sub_block, VariantSpec("attention", "keep"), stream)
    assert torch.allclose(output, layer.attend(stream, **parent.stack().attention_arguments(32)), atol=1e-5)


def test_shared_features_give_each_variants_own_output(
    parent: Parent, library: Library, plugins: Plugins, space: Space, unseen: torch.Tensor
) -> None:
    replacements = Replacements(parent, library, plugins.variants)
    stream = torch.randn(4, 32, 48, generator=torch.Generator().manual_seed(0))
    for sub_block, specs in space.items():
        for spec, output in replacements.outputs(sub_block, specs, stream):
            assert torch.allclose(output, replacements.output(sub_block, spec, stream), atol=1e-4)


def test_wider_variants_come_closer_to_the_parent(
    parent: Parent, library: Library, plugins: Plugins, space: Space, unseen: torch.Tensor
) -> None:
    """On the text's own stream: keep < narrow=30 < narrow=12 < skip, for every FFN."""
    replacements, stack = Replacements(parent, library, plugins.variants), parent.stack()
    stream, arguments = stack.embed(unseen), stack.attention_arguments(32)
    for index in range(3):
        layer = stack.layer(index)
        with torch.no_grad():
            stream = stream + layer.attend(stream, **arguments)
            sub_block = next(each for each in space if each.layer == index and each.slot == "ffn")
            outputs = {spec.label: output for spec, output in replacements.outputs(sub_block, space[sub_block], stream)}
            wanted = layer.feed(stream)
        errors = {label: float((output - wanted).square().mean()) for label, output in outputs.items()}
        assert errors["keep"] < errors["narrow=30"] < errors["narrow=12"] < errors["skip"]
        assert errors["linear"] < errors["skip"]
        stream = stream + wanted


def test_an_assembled_child_reads_chosen_weights_and_the_parents_others(
    parent: Parent, library: Library, plugins: Plugins
) -> None:
    attention, ffn = parent.sub_blocks()[:2]
    assignment = {attention: VariantSpec("attention", "skip"), ffn: VariantSpec("ffn", "narrow", (("width", 12),))}
    child = assemble(parent, library, assignment, plugins.variants)
    layer = child.layer(0)
    assert layer.self_attn is None
    assert layer.mlp.gate_proj.weight.shape == (12, 48)
    assert torch.equal(child.read("model.norm.weight"), parent.source().read("model.norm.weight"))
    assert child.layer(1).mlp.gate_proj.weight.shape == (40, 48)
