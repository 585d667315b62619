"""Where a recipe's `space` is written: in the recipe itself, in a file beside it, or in a plugin's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockwright.errors import UserError, did_you_mean
from blockwright.recipes.locations import line_of, load_yaml, read_text
from blockwright.recipes.mistakes import Mistake
from blockwright.resources import named_files


@dataclass(frozen=True)
class SpaceText:
    """A space as plain data, and the file it stands in; None for one written into the recipe."""

    data: object
    file: Path | None = None
    text: str = ""

    def mistakes_in_the_recipe(self, mistakes: Sequence[Mistake]) -> list[Mistake]:
        """At the recipe's own keys, or at `space` with the other file's name and line."""
        if self.file is None:
            return [mistake.under("space") for mistake in mistakes]
        return [
            Mistake(("space",), f"{self.file}:{line_of(self.text, one.path)}: {one.dotted}: {one.message}")
            for one in mistakes
        ]


def read_space(entry: object, folders: Sequence[Path], beside: Path) -> SpaceText:
    """UserError where a name is neither a file (relative to `beside`) nor a space in one of the folders."""
    if isinstance(entry, Mapping):
        return SpaceText(entry)
    named = named_files(folders)
    file = named.get(str(entry)) or beside / str(entry)
    if not file.is_file():
        raise UserError(f"space: no search space is called '{entry}'{did_you_mean(str(entry), named)}")
    text = read_text(file)
    return SpaceText(load_yaml(text, file), file, text)
