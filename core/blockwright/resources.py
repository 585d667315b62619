"""Folders of YAML files that recipes may name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ResourceKind = Literal["searchspaces", "hardware"]


def named_files(folders: Iterable[Path]) -> dict[str, Path]:
    """The YAML files of folders by the names that recipes have for them; of two of a name the later folder's."""
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


@dataclass(frozen=True)
class Resources:
    """A folder of `NAME.yaml` files of one kind, as a plugin's `register_resources` returns it."""

    kind: ResourceKind
    folder: Path
