"""What a recipe would need of this machine: memory, disk and downloads, by what `check` predicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blockwright.errors import UserError
from blockwright.hub import bytes_to_fetch
from blockwright.parent import locate
from blockwright.recipes.checking import CheckedRecipe, check_recipe
from blockwright.running.estimates import count_memory
from blockwright.running.room import LESS_MEMORY, disk_here, disk_needed, memory_here
from blockwright.terminal.tables import as_bytes
from blockwright.text.mixture import name_of


@dataclass(frozen=True)
class Need:
    """One thing that the recipe needs, what there is of it, and whether that is enough, with what to do if not."""

    what: str
    needed: str
    here: str
    fits: bool
    advice: str = ""


def needs_of(recipe: Path) -> list[Need]:
    """All of them; the mistakes that `check` tells where the recipe has some."""
    try:
        checked = check_recipe(recipe)
    except UserError as error:
        return [Need("a recipe without mistakes", "", "", False, line) for line in error.lines]
    return [_memory(checked), _disk(checked), *_downloads(checked)]


def _memory(checked: CheckedRecipe) -> Need:
    needed, here = max(count_memory(checked, checked.prices).values()), memory_here()
    short = LESS_MEMORY if needed > here.total else "end other programs"
    fits = needed <= here.available
    return Need(
        "memory", f"at least {as_bytes(needed)}", f"{as_bytes(here.available)} free", fits, "" if fits else short
    )


def _disk(checked: CheckedRecipe) -> Need:
    needed, free = sum(disk_needed(checked).values()), disk_here(checked.directory)
    fits, place = needed <= free, checked.directory
    advice = "" if fits else "make room, or give another place with runs=FOLDER"
    return Need(f"disk in {place}", f"at most {as_bytes(needed)}", f"{as_bytes(free)} free", fits, advice)


def _downloads(checked: CheckedRecipe) -> Iterator[Need]:
    parent = checked.recipe.parent
    place = locate(parent)
    if isinstance(place, str):
        size = bytes_to_fetch(place, parent.revision)
        advice = "" if size is not None else "the hub does not answer; connect this machine, or name a folder"
        yield Need(f"download {place}", "unknown" if size is None else as_bytes(size), "", size is not None, advice)
    text = checked.recipe.text
    for source in dict.fromkeys(map(name_of, (*text.calibration, *text.evaluation))):
        if source.startswith("hub:"):
            yield Need(f"text {source}", "streamed, as much as is read", "", True)
