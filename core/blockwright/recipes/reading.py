"""From a recipe's file and `key=value` overrides to plain data that remembers where each key was written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from blockwright.errors import UserError, first_line
from blockwright.recipes.interpolations import interpolation_mistakes
from blockwright.recipes.locations import line_of, load_yaml, read_text
from blockwright.recipes.mistakes import KeyPath, Mistake


@dataclass(frozen=True)
class Override:
    """One `key=value` of the command line."""

    text: str
    path: KeyPath
    value: object


@dataclass(frozen=True)
class Source:
    """Where a recipe's keys were written: its file, and the overrides that came after it."""

    file: Path
    text: str
    overrides: tuple[Override, ...] = ()

    def line(self, mistake: Mistake) -> str:
        """`recipe.yaml:8: solver.name: no solver is called …`, or `command line: solver.name=higs: …`."""
        override = self._override_of(mistake.path)
        if override is not None:
            return f"command line: {override.text}: {mistake.message}"
        place = f"{self.file}:{line_of(self.text, mistake.path)}"
        return f"{place}: {mistake.dotted}: {mistake.message}" if mistake.path else f"{place}: {mistake.message}"

    def error(self, mistakes: Iterable[Mistake]) -> UserError:
        """All mistakes at once, each once, in the order of the file."""
        return UserError(*dict.fromkeys(self.line(mistake) for mistake in sorted(mistakes, key=self._order)))

    def _override_of(self, path: KeyPath) -> Override | None:
        """The last override that wrote the key or something above it; or below it, where the file has no such key."""
        above = [item for item in self.overrides if _begins(path, item.path)]
        below = [item for item in self.overrides if _begins(item.path, path)]
        if above:
            return above[-1]
        return below[-1] if path and below and not _holds(yaml.safe_load(self.text), path) else None

    def _order(self, mistake: Mistake) -> tuple[int, str]:
        overridden = self._override_of(mistake.path) is not None
        return (1 << 31 if overridden else line_of(self.text, mistake.path), mistake.dotted)


def _begins(path: KeyPath, beginning: KeyPath) -> bool:
    return tuple(map(str, path[: len(beginning)])) == tuple(map(str, beginning))


def _holds(data: object, path: KeyPath) -> bool:
    """Whether plain data has a value at a path."""
    for part in path:
        keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        if part not in keys:
            return False
        data = data[part]  # type: ignore[index]
    return True


@dataclass(frozen=True)
class RawRecipe:
    """A recipe as plain, resolved data that nothing has checked yet."""

    data: dict[str, object]
    source: Source


def read_raw(file: Path, overrides: Sequence[str] = ()) -> RawRecipe:
    """Reads, merges and interpolates; UserError for what is no YAML, no mapping or no `key=value`."""
    text = read_text(file)
    source = Source(file, text, parse_overrides(overrides))
    loaded = load_yaml(text, file)
    if loaded is None:
        raise UserError(f"{file}:1: the recipe is empty; it needs name, parent, text and budget at least")
    if not isinstance(loaded, dict):
        raise UserError(f"{file}:1: a recipe is a mapping of keys (`name: …`), not {type(loaded).__name__}")
    return RawRecipe(_resolved(_merged(loaded, source), source), source)


def parse_overrides(texts: Sequence[str]) -> tuple[Override, ...]:
    wrong = [text for text in texts if not text.partition("=")[1] or not text.partition("=")[0].strip()]
    if wrong:
        raise UserError(
            *(f"command line: {text}: an override is written key=value, like budget.params=60%" for text in wrong)
        )
    return tuple(map(parse_override, texts))


def parse_override(text: str) -> Override:
    """`stages.0.refit.rounds=3`: the key by dots, the value as YAML."""
    key, _, value = text.partition("=")
    parts = key.strip().replace("[", ".").replace("]", "").split(".")
    try:
        parsed = load_yaml(value, "")
    except UserError as error:
        why = error.lines[0].partition(": ")[2]
        raise UserError(f"command line: {text[:80]}: the value cannot be read ({why}); quote it") from None
    return Override(text, tuple(int(part) if part.isdigit() else part for part in parts), parsed)


def _merged(loaded: dict[str, object], source: Source) -> DictConfig:
    try:
        config = OmegaConf.create(loaded)
    except OmegaConfBaseException as error:
        raise source.error([Mistake(_path(error.full_key), first_line(error))]) from None
    for override in source.overrides:
        _apply(config, override)
    return config


def _apply(config: DictConfig, override: Override) -> None:
    key = ".".join(map(str, override.path))
    try:
        OmegaConf.update(config, key, override.value, merge=False)
    except (OmegaConfBaseException, IndexError, TypeError, ValueError) as error:
        raise UserError(f"command line: {override.text}: cannot be set ({first_line(error)})") from None


def _resolved(config: DictConfig, source: Source) -> dict[str, object]:
    """Plain data with all interpolations filled in; all that cannot be filled in are told at once."""
    written = OmegaConf.to_container(config, resolve=False)
    assert isinstance(written, dict)
    mistakes = interpolation_mistakes({str(key): value for key, value in written.items()})
    mistakes = mistakes or list(_bad_interpolations(config, ()))
    if mistakes:
        raise source.error(mistakes)
    data = OmegaConf.to_container(config, resolve=True)
    assert isinstance(data, dict)
    return {str(key): value for key, value in data.items()}


def _bad_interpolations(node: DictConfig | ListConfig, path: KeyPath) -> Iterable[Mistake]:
    keys = range(len(node)) if isinstance(node, ListConfig) else list(node)
    for key in keys:
        try:
            value = node[key]
        except OmegaConfBaseException as error:
            yield Mistake((*path, key), f"{first_line(error)}; an interpolation is written ${{section.key}}")
            continue
        if isinstance(value, DictConfig | ListConfig):
            yield from _bad_interpolations(value, (*path, key))


def _path(full_key: str | None) -> KeyPath:
    parts = (full_key or "").replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdigit() else part for part in parts if part)
