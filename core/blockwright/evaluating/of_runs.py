"""The models of a run that are compared, and the questions that its stages have learned from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from blockwright.running.files import BUILD, RunFiles

PARENT_NAME = "parent"


def models_of(files: RunFiles, steps: Sequence[str], which: Literal["all", "ends"] = "all") -> dict[str, Path]:
    """Folders by name, the parent first; a step that left the child as it was is not in it.

    `steps` are the transforms and stages that are done, in order.
    """
    found = {PARENT_NAME: files.parent.directory, BUILD: files.built_child()}
    for step in steps:
        child = files.child_after(step)
        if child.resolve() not in [folder.resolve() for folder in found.values()]:
            found[step] = child
    if which == "all":
        return found
    last = list(found)[-1]
    return {name: found[name] for name in (PARENT_NAME, last)}


def learned_questions(directory: Path, steps: Sequence[str]) -> frozenset[str]:
    """What the stages' data ask: user messages and questions in the JSONL files of their folders."""
    files = (file for step in steps for file in sorted((directory / step).glob("*.jsonl")))
    return frozenset(question for file in files for question in _questions_in(file))


def _questions_in(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield from _asked(json.loads(line)) if line.strip() else ()


def _asked(row: object) -> Iterator[str]:
    """`{"messages": […]}`, `{"prompt": […]}`, `{"question": "…"}`, and what holds one of these."""
    if isinstance(row, list):
        for part in row:
            yield from _asked(part)
    if not isinstance(row, dict):
        return
    if row.get("role") == "user" and isinstance(row.get("content"), str):
        yield row["content"]
    for key, value in row.items():
        if key in ("question", "text") and isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield from _asked(value)
