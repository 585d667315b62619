"""The page of the command line, from the tree of commands that `blockwright` itself runs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from blockwright.cli import app

HEAD = """# Command line

Every command has `--help`. `blockwright` ends with 0, with 1 where something that was checked is wrong, and with 2 for
a mistake of yours, which it tells without a traceback; `--debug` shows one. This page is made from the commands
themselves.
"""


def page() -> str:
    """Markdown: a section for each command, those of a group after the group."""
    return "\n".join([HEAD, *_sections(get_command(app), None, "blockwright")])


def _sections(command: Any, above: Any, name: str) -> Iterator[str]:
    context = command.context_class(command, info_name=name, parent=above)
    if above is not None:
        yield _section(command, context)
    for word, sub_command in sorted(getattr(command, "commands", {}).items()):
        yield from _sections(sub_command, context, word)


def _section(command: Any, context: Any) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    rows = [f"| <code>{_cell(what)}</code> | {_cell(says)} |" for what, says in records]
    told = (command.help or "").replace("\n", " ").strip()
    lines = [f"## blockwright {context.command_path.partition(' ')[2]}", "", told, "", "```sh", usage, "```", ""]
    return "\n".join([*lines, "| | |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    """One line, nothing in it that a table or HTML takes for its own."""
    return html.escape(re.sub(r"\s+", " ", text), quote=False).replace("|", "&#124;")
