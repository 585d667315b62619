"""`${section.key}` in a recipe: looked at before any is filled in, since OmegaConf would fill in without end.

Two forms are allowed: a key of the recipe, and `${oc.env:NAME}` or `${oc.env:NAME,default}`. What all of them come to
is counted first, so that ten lines that name each other ten times do not become 10^10 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from blockwright.recipes.mistakes import KeyPath, Mistake

LARGEST = 1_000_000  # characters and values that one value may come to
_OPENING = re.compile(r"(?<!\\)\$\{")
_KEY = re.compile(r"\$\{([^${}:]+)\}")
_ENVIRONMENT = re.compile(r"\$\{oc\.env:[A-Za-z_][A-Za-z0-9_]*(?:,[^${}]*)?\}")
_FORM = "an interpolation is written ${section.key} or ${oc.env:NAME}"


def interpolation_mistakes(data: Mapping[str, object]) -> list[Mistake]:
    """Interpolations of other forms, in circles, or that come to more than is read; unknown keys are not looked for."""
    sizes = _Sizes(data)
    found = (_mistake(path, text, sizes) for path, text in _texts(data, ()))
    return [mistake for mistake in found if mistake is not None]


def _mistake(path: KeyPath, text: str, sizes: _Sizes) -> Mistake | None:
    if len(_OPENING.findall(text)) != len(_KEY.findall(text)) + len(_ENVIRONMENT.findall(text)):
        return Mistake(path, f"this is not filled in; {_FORM}")
    try:
        size = sizes.of(path, text)
    except RecursionError:
        return Mistake(path, "this names itself, by way of other keys or at once")
    too_large = f"this comes to more than {LARGEST:,} characters once it is filled in"
    return Mistake(path, too_large) if size > LARGEST else None


class _Sizes:
    """Characters, and values, that each value of the recipe comes to; each is counted once."""

    def __init__(self, data: Mapping[str, object]) -> None:
        self._data = data
        self._known: dict[KeyPath, int] = {}
        self._above: set[KeyPath] = set()

    def of(self, path: KeyPath, value: object) -> int:
        """RecursionError for a value that names itself."""
        if path in self._above:
            raise RecursionError
        if path not in self._known:
            self._above.add(path)
            try:
                self._known[path] = 1 + self._inner(path, value)
            finally:
                self._above.remove(path)
        return self._known[path]

    def _inner(self, path: KeyPath, value: object) -> int:
        if isinstance(value, Mapping | list):
            return sum(self.of((*path, key), one) for key, one in _entries(value))
        if not isinstance(value, str):
            return 0
        named = (_target(match, path) for match in _KEY.findall(value))
        return len(value) + sum(self._at(target) for target in named)

    def _at(self, path: KeyPath) -> int:
        value: object = self._data
        for part in path:
            entries = dict(_entries(value))
            if part not in entries:
                return 0  # OmegaConf says so
            value = entries[part]
        return self.of(path, value)


def _target(written: str, path: KeyPath) -> KeyPath:
    """`a.b`, `a[0].b`, `.sibling` or `..uncle`, as the path that it names."""
    plain = written.strip().replace("[", ".").replace("]", "")
    dots = len(plain) - len(plain.lstrip("."))
    above = path[: len(path) - dots] if dots else ()
    return (*above, *(int(part) if part.isdigit() else part for part in plain.strip(".").split(".")))


def _entries(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    for key, one in _entries(value):
        yield from _texts(one, (*path, key))
