"""Every `blockwright` command that the documentation shows is one that there is, with options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from blockwright.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "recipes").glob("*.md"))]
_BLOCK = re.compile(r"^[ ]*```(?:sh|bash|console)\n(.*?)^[ ]*```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(blockwright [a-z][^`]*)`")


def _shown(page: Path) -> Iterator[str]:
    text = page.read_text()
    yield from (found.replace("\n", " ") for found in _INLINE.findall(_BLOCK.sub("", text)))
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.strip().removeprefix("$ ").split("| ")[-1]
            if words.startswith("blockwright "):
                yield words


COMMANDS = sorted({(page.relative_to(ROOT).as_posix(), command) for page in PAGES for command in _shown(page)})


@pytest.mark.parametrize(("page", "shown"), COMMANDS, ids=lambda value: " ".join(str(value).split()[:4]))
def test_a_shown_command_is_there_with_its_options(page: str, shown: str) -> None:
    words = shlex.split(shown, comments=True)[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or not words or words[0].startswith("-"), (
        f"{page}: no such command: {shown}"
    )
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    assert unknown == [], f"{page}: {shown}"
