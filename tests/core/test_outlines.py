"""Models by their sizes alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.outlines import outline


@pytest.fixture
def sizes_only(parent_folder: Path, tmp_path: Path) -> str:
    """A folder with a config, and with a weights file that holds none of the weights' values."""
    (tmp_path / "config.json").write_text((parent_folder / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((parent_folder / "model.safetensors").read_bytes())
    return str(tmp_path)


def test_a_graph_with_changes_has_them_and_nothing_else(sizes_only: str) -> None:
    model = outline(sizes_only)
    whole, changed = model.graph(), model.graph({"attention.1": "skip", "ffn.2": {"narrow": "50%"}})
    assert "attention.1" in whole.by_name and "attention.1" not in changed.by_name
    assert changed["ffn.2"].label == "narrow=24"
    same = [node for node in changed.nodes if whole.by_name.get(node.name) == node]
    assert len(same) == len(changed.nodes) - 1


def test_a_variant_is_that_of_a_search_space(sizes_only: str) -> None:
    model = outline(sizes_only)
    assert model.variant("attention", {"kv_heads": 1}).spec.label == "kv_heads=1"
    assert model.variant("ffn", "keep").parameters == 3 * 32 * 48 + 32


def test_mistakes_are_told(sizes_only: str) -> None:
    model = outline(sizes_only)
    with pytest.raises(UserError, match=r"ffn: no ffn variant is called 'narow', did you mean 'narrow'\?"):
        model.variant("ffn", {"narow": "50%"})
    with pytest.raises(ValueError, match=r"attention\.9: the parent has 4 layers"):
        model.graph({"attention.9": "skip"})
    with pytest.raises(ValueError, match=r"'mlp\.0' is no sub-block"):
        model.graph({"mlp.0": "skip"})
