"""Sections of a recipe that list plugins by name, each with its options or without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def one_transform(entry: object) -> object:
    return _named(entry, "a transform", "ffn-fusion: {max_width: 8192}")


def one_stage(entry: object) -> object:
    return _named(entry, "a stage", "refit: {rounds: 2}")


def one_export(entry: object) -> object:
    return _named(entry, "an export", "gguf: {precision: q8_0}")


def _named(entry: object, what: str, example: str) -> object:
    if isinstance(entry, str):
        return {entry: {}}
    if isinstance(entry, Mapping) and len(entry) == 1 and all(isinstance(key, str) for key in entry):
        return entry
    raise ValueError(f"{what} is written as its name, or as its name with options, like `{example}`")


def sections(entries: Iterable[object]) -> tuple[tuple[str, Mapping[str, object]], ...]:
    """Each entry as its name and its options."""
    found = []
    for entry in entries:
        assert isinstance(entry, Mapping)
        ((name, options),) = entry.items()
        found.append((str(name), dict(options or {})))
    return tuple(found)
