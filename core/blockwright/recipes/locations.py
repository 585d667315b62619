"""YAML that remembers its lines, read so that neither a mistake nor malice ends in a traceback."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import yaml

from blockwright.errors import UserError, first_line
from blockwright.foreign_files import read_bytes

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
LONGEST_TEXT, DEEPEST, MOST_NODES = 256 * 1024, 40, 50_000  # characters, levels, nodes with aliases written out


class _Refused(Exception):
    """Something that YAML allows and this reader does not, at a line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


def load_yaml(text: str, file: Path | str) -> object:
    """The text as plain data; UserError with file and line for what is no YAML, too large, too deep or ambiguous."""
    try:
        return _load(text)
    except _Refused as refused:
        raise UserError(f"{file}:{refused.line}: {refused.message}") from None
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{file}:{_line_of_error(error)}: is no YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:  # a control character, or a date that is none
        raise UserError(f"{file}:1: is no YAML: {first_line(error)}") from None


def read_yaml(file: Path) -> object:
    """`load_yaml` of a file; UserError where it cannot be read."""
    return load_yaml(read_text(file), file)


def read_text(file: Path) -> str:
    """A file's text; UserError for what is not there, is too large, cannot be opened or is no text."""
    try:
        return read_bytes(file, 4 * LONGEST_TEXT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: is not UTF-8 text ({error.reason} at byte {error.start})") from None


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line, from 1, of a key or list item; of the nearest thing above it where there is none, so never an error."""
    node, line = _root(text), 1
    for part in path:
        found = next((entry for entry in _entries(node) if entry[0] == str(part)), None)
        if found is None:
            break
        _, line, node = found
    return line


@lru_cache(maxsize=16)
def _root(text: str) -> yaml.Node | None:
    try:
        return _checked_root(text)
    except (_Refused, yaml.YAMLError, ValueError):
        return None


def _load(text: str) -> object:
    _checked_root(text)
    return yaml.safe_load(text)


def _checked_root(text: str) -> yaml.Node | None:
    if len(text) > LONGEST_TEXT:
        raise _Refused(1, f"has {len(text):,} characters; a file of at most {LONGEST_TEXT:,} is read")
    _check_depth(text)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        _count_nodes(root, {}, frozenset())
    return root


def _check_depth(text: str) -> None:
    """Looks at events alone, since composing recurses with every level."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _Refused(event.start_mark.line + 1, f"is nested more than {DEEPEST} levels deep")


def _count_nodes(node: yaml.Node, counted: dict[int, int], above: frozenset[int]) -> int:
    """Nodes with every alias written out, each distinct node visited once; refuses bombs, circles and double keys."""
    if id(node) in above:
        raise _Refused(node.start_mark.line + 1, "an alias stands inside what it names")
    if id(node) not in counted:
        _check_keys(node)
        _check_characters(node)
        inner = above | {id(node)}
        counted[id(node)] = 1 + sum(_count_nodes(child, counted, inner) for _, _, child in _entries(node))
    if counted[id(node)] > MOST_NODES:
        raise _Refused(
            node.start_mark.line + 1, f"holds more than {MOST_NODES:,} values once its aliases are filled in"
        )
    return counted[id(node)]


def _check_keys(node: yaml.Node) -> None:
    counts = Counter(name for name, _, _ in _entries(node) if name != "<<")
    for name, line, _ in reversed(list(_entries(node))):
        if counts[name] > 1:
            raise _Refused(line, f"the key '{name}' is written twice")


def _check_characters(node: yaml.Node) -> None:
    """Escapes can write what YAML itself refuses: zero bytes, which no path has, and words for terminals."""
    for scalar in (node, *(key for key, _ in node.value)) if isinstance(node, yaml.MappingNode) else (node,):
        if isinstance(scalar, yaml.ScalarNode) and _CONTROL.search(scalar.value):
            raise _Refused(scalar.start_mark.line + 1, "a value has a control character in it")


def _entries(node: yaml.Node | None) -> Iterator[tuple[str, int, yaml.Node]]:
    """Of a mapping its keys with their lines and values, of a list its indices with those of its items."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value) if isinstance(key, yaml.ScalarNode) else "", key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield str(index), item.start_mark.line + 1, item


def _line_of_error(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1
