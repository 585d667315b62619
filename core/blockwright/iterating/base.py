"""The base of an iterated search: a healed child that the next search starts from, told in the dense parent's terms."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.files import read_record, write_directory_atomically, write_json
from blockwright.parent import ModelFamily, Parent, describe_parent
from blockwright.variants import BlockVariant, Slot, SubBlock, SubBlockShape, VariantError, VariantSpec

if TYPE_CHECKING:
    from blockwright.child.assembly import Assignment, Variants
    from blockwright.searching.pricing import Space

RECORD, DENSE = "base.json", "dense"
_SIZES = {"num_key_value_heads": "kv_heads", "intermediate_size": "ffn_width"}  # of a layer's config, and of a shape


@dataclass(frozen=True)
class Base(Parent):
    """Stands where the parent does while a library is built and scored: its layers are a healed child's.

    Variants keep the names and sizes that they have against the dense parent: where the child has `narrow=1024`, that
    is what is present, and `narrow=768` is made from its 1024 channels.
    """

    origin: Parent
    assignment: Mapping[SubBlock, VariantSpec]
    shapes: Mapping[SubBlock, SubBlockShape | None]

    @property
    def dense(self) -> Parent:
        return self.origin

    def shape(self, slot: Slot) -> SubBlockShape:
        return self.origin.shape(slot)

    def present(self, sub_block: SubBlock) -> VariantSpec:
        return self.assignment[sub_block]

    def completed(self, assignment: Mapping[SubBlock, VariantSpec]) -> Mapping[SubBlock, VariantSpec]:
        others = {sub_block: spec for sub_block, spec in assignment.items() if spec.kind != "keep"}
        return {**self.assignment, **others}

    def shape_of(self, sub_block: SubBlock) -> SubBlockShape | None:
        return self.shapes[sub_block]


def write_base(folder: Path, child: Path, assignment: Assignment, parent: Parent) -> None:
    """Fills `folder` with all that `open_base` needs, whoever opens it: the child's files and the parent's config.

    Weights are linked where the disk can, so that they take no room twice.
    """
    from blockwright.child.checkpoint import copy_companions

    if folder.exists():
        return
    variants = {str(sub_block): assignment[sub_block].to_dict() for sub_block in parent.sub_blocks()}
    with write_directory_atomically(folder) as beside:
        for file in sorted(child.glob("*.safetensors")):
            _link(file, beside / file.name)
        for file in (child / "config.json", *sorted(child.glob("*.safetensors.index.json"))):
            shutil.copyfile(file, beside / file.name)
        copy_companions(child, beside)
        (beside / DENSE).mkdir()
        shutil.copyfile(parent.directory / "config.json", beside / DENSE / "config.json")
        write_json(beside / RECORD, {"variants": variants})


def is_base(folder: Path) -> bool:
    return (folder / RECORD).is_file()


def open_base(folder: Path, families: Mapping[str, ModelFamily]) -> Base:
    """UserError for a folder that `write_base` has not written, or whose weights are not those of its config."""
    from blockwright.child.checkpoint import open_child
    from blockwright.plugins import installed_plugins

    variants = read_record(folder / RECORD).get("variants")
    if not isinstance(variants, dict):
        raise UserError(
            f"{folder / RECORD}: names no variants; remove {folder.parent} and type `blockwright run` again"
        )
    assignment = {SubBlock.parse(name): VariantSpec.from_dict(spec) for name, spec in variants.items()}
    parent = describe_parent(folder / DENSE, families)
    known = installed_plugins().variants
    shapes = {sub_block: _shape(spec, parent, known) for sub_block, spec in assignment.items()}
    return Base(folder, open_child(folder).config, parent.family, parent, assignment, shapes)


def space_from(base: Parent, space: Space, variants: Variants) -> Space:
    """What the space leaves open where a base stands: what is present, and what can be made from it."""
    return {
        sub_block: (
            base.present(sub_block),
            *(spec for spec in specs if _can_be_made(spec, base, sub_block, variants)),
        )
        for sub_block, specs in space.items()
    }


def _shape(spec: VariantSpec, parent: Parent, variants: Variants) -> SubBlockShape | None:
    """Of a variant that is the dense parent's sub-block in other sizes; None of another kind, or of nothing."""
    shape = parent.shape(spec.slot)
    config = variants[(spec.slot, spec.kind)].layer_config(spec, shape)
    if not config.keys() <= _SIZES.keys():
        return None
    return replace(shape, **{_SIZES[key]: size for key, size in config.items()})  # type: ignore[arg-type]


def _can_be_made(spec: VariantSpec, base: Parent, sub_block: SubBlock, variants: Variants) -> bool:
    """What has no weights always, other variants where their options fit what is there and ask for less of it."""
    if spec in (base.present(sub_block), VariantSpec(spec.slot, "keep")):
        return False
    variant = variants[(spec.slot, spec.kind)]
    if needs_nothing(spec, base.shape(spec.slot), variant):
        return True
    shape = base.shape_of(sub_block)
    if shape is None:
        return False
    try:
        return variant.resolve(variant.Options.model_validate(dict(spec.options)), shape) == spec
    except (VariantError, ValueError):
        return False


def needs_nothing(spec: VariantSpec, shape: SubBlockShape, variant: BlockVariant) -> bool:
    """Whether a variant has no weights, so that there is nothing to make it from."""
    return variant.parameters(spec, shape) == 0


def _link(file: Path, place: Path) -> None:
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)
