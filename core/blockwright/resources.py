"""Folders of YAML files that recipes may name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ResourceKind = Literal["searchspaces", "hardware"]


@dataclass(frozen=True)
class Resources:
    """A folder of `NAME.yaml` files of one kind, as a plugin's `register_resources` returns it."""

    kind: ResourceKind
    folder: Path
