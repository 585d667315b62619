"""Sources of text by their names in a recipe, one module a kind of source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from blockwright.errors import UserError, did_you_mean
from blockwright.text.sources import debian_docs, files, hub_dataset, man_pages, python_docs, reasoning_tasks
from blockwright.text.sources.reading import Reading

SOURCES: Mapping[str, Callable[[str, Reading], Iterator[str]]] = {
    "pydoc": python_docs.read,
    "reasoning-gym": reasoning_tasks.read,
    "man": man_pages.read,
    "debian-docs": debian_docs.read,
    "hub": hub_dataset.read,
}


def documents(source: str, reading: Reading) -> Iterator[str]:
    """The source's documents, read as they are asked for, in an order that `reading.random` decides.

    UserError says what is wrong with a source that cannot be read.
    """
    kind, _, argument = source.partition(":")
    if kind in SOURCES:
        return SOURCES[kind](argument, reading)
    found = files.matching(source)
    if not found:
        raise UserError(
            f"text: '{source}' is no source of text and no file, folder or glob of {', '.join(files.SUFFIXES)}"
            f"{did_you_mean(kind, SOURCES)}"
        )
    return files.read(source, found, reading)


def refuse_what_is_no_source(source: str) -> None:
    """ValueError, for a section to tell, unless it is of a known kind (`pydoc:modules`) or names files."""
    if source.partition(":")[0] not in SOURCES and not files.matching(source):
        raise ValueError(f"'{source}' is no source of text and names no text file{did_you_mean(source, SOURCES)}")
