"""How rules say that they are broken."""

from __future__ import annotations

import hashlib
from pathlib import Path


def must(kept: bool, name: str, otherwise: str) -> None:
    """AssertionError with a sentence about the plugin called `name`, unless the rule is kept."""
    if not kept:
        raise AssertionError(f"{name}: {otherwise}")


def contents(folder: Path) -> dict[str, str]:
    """All files below a folder with digests of what is in them, to see whether anything changes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
