"""A library whose variants were trained after they were built in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch

from blockwright.building.library import Space, build_library
from blockwright.child.assembly import assemble
from blockwright.construction import LibrarySettings, SubBlockContext
from blockwright.events import Event, listening
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.library import Library, sub_block_path
from blockwright.models.divergence import Reference
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.variants import (
    BlockVariant,
    SubBlock,
    SubBlockShape,
    VariantOptions,
    VariantSpec,
    Weights,
)

DISTILL = BlockDistillSettings(tokens=3072, batch_tokens=256, learning_rate=0.02, evaluate_every=4, checkpoint_every=4)
SETTINGS = LibrarySettings(gradient_tokens=512, channels_at_once=4, distill=DISTILL)


class Bottleneck(BlockVariant):
    """A stranger's FFN with a module of its own, whose first half stays as it is."""

    slot, kind, module = "ffn", "bottle-neck", ("../child/their_variant.py", "Bottleneck")

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        return VariantSpec("ffn", self.kind)

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return 0

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {"mlp_kind": self.kind, "mlp_options": {"width": 8}}

    def trainable(self, names: Sequence[str]) -> Sequence[str]:
        return [name for name in names if name.startswith("outer")]

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        generator = torch.Generator().manual_seed(0)
        sizes = {"inner.weight": (8, 48), "inner.bias": (8,), "outer.weight": (48, 8), "outer.bias": (48,)}
        drawn = {name: 0.1 * torch.randn(*size, generator=generator) for name, size in sizes.items()}
        return dict.fromkeys(specs, drawn)


@pytest.fixture(scope="module")
def distilled(
    parent: Parent,
    space: Space,
    plugins: Plugins,
    tokens: dict[str, torch.Tensor],
    tmp_path_factory: pytest.TempPathFactory,
) -> Library:
    folder = tmp_path_factory.mktemp("distilled")
    return build_library(parent, space, plugins.variants, tokens, SETTINGS, folder, seed=0)


def test_variants_are_better_on_held_back_text_or_as_they_were(library: Library, distilled: Library) -> None:
    improved = 0
    for sub_block in library.sub_blocks():
        for label, losses in distilled.decisions(sub_block).items():
            built = min(loss for way, loss in losses.items() if way != "block-distill")
            spec = next(spec for spec in library.variants(sub_block) if spec.label == label)
            before, after = library.weights(sub_block, spec), distilled.weights(sub_block, spec)
            is_the_same = all(torch.equal(before[name], after[name]) for name in before)
            assert is_the_same == (losses["block-distill"] >= 0.999999 * built)
            improved += not is_the_same
    assert improved >= 6


def test_what_has_no_weights_of_its_own_stays_so(distilled: Library) -> None:
    for sub_block in distilled.sub_blocks():
        plain = [spec for spec in distilled.variants(sub_block) if spec.kind in ("keep", "skip")]
        assert all(distilled.weights(sub_block, spec) == {} for spec in plain)
        assert not {spec.label for spec in plain} & set(distilled.decisions(sub_block))


def test_a_child_of_trained_variants_is_closer_to_the_parent(
    parent: Parent, library: Library, distilled: Library, plugins: Plugins, unseen: torch.Tensor
) -> None:
    narrow = VariantSpec("ffn", "narrow", (("width", 12),))
    assignment = {SubBlock(layer, "ffn"): narrow for layer in range(3)}
    judge = Reference(parent.stack(), unseen)
    before, after = (
        judge.divergence(assemble(parent, each, assignment, plugins.variants)) for each in (library, distilled)
    )
    assert after < before


def test_a_build_that_was_cut_short_inside_a_sub_block_goes_on_to_equal_bytes(
    parent: Parent, space: Space, plugins: Plugins, tokens: dict[str, torch.Tensor], distilled: Library, tmp_path: Path
) -> None:
    seen: list[tuple[object, object]] = []

    def stop_at_the_fifth(event: Event) -> None:
        if event.name == "block_distill_checkpointed":
            seen.append((event.fields["sub_block"], event.fields["step"]))
            if len(seen) == 5:
                raise KeyboardInterrupt

    arguments = (parent, space, plugins.variants, tokens, SETTINGS, tmp_path, 0)
    with pytest.raises(KeyboardInterrupt), listening(stop_at_the_fifth):
        build_library(*arguments)
    with listening(stop_at_the_fifth):
        build_library(*arguments)
    assert len(seen) == len(set(seen))
    for sub_block in distilled.sub_blocks():
        first, second = (sub_block_path(folder, sub_block) for folder in (tmp_path, distilled.directory))
        assert first.read_bytes() == second.read_bytes()
    assert not list(tmp_path.glob("distilling/*"))


def test_a_strangers_module_is_trained_as_far_as_it_says(
    parent: Parent, plugins: Plugins, tokens: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    theirs, keep = VariantSpec("ffn", "bottle-neck"), VariantSpec("attention", "keep")
    space = {one: [theirs if one.slot == "ffn" else keep] for one in parent.sub_blocks()}
    variants = {**plugins.variants, ("ffn", "bottle-neck"): Bottleneck()}
    built, trained = (
        build_library(parent, space, variants, tokens, settings, tmp_path / name, 0)
        for name, settings in {"built": SETTINGS.model_copy(update={"distill": None}), "trained": SETTINGS}.items()
    )
    before, after = (each.weights(SubBlock(1, "ffn"), theirs) for each in (built, trained))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"outer.weight", "outer.bias"}
    assert trained.decisions(SubBlock(1, "ffn"))["bottle-neck"].keys() == {"refit", "block-distill"}
