"""What every exporter must do. A rule takes an exporter and lets it write tiny children."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.contracts.holding import contents, must
from blockwright.contracts.small_world import CHILDREN, scratch, small_child, written_child
from blockwright.exporters import ChildLayer, ExportContext, Exported, Exporter

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


@dataclass(frozen=True)
class Written:
    """One child that was exported."""

    name: str
    context: ExportContext
    exported: Exported
    child_before: dict[str, str]


def exporter_takes_some_child(exporter: Exporter) -> None:
    """Not every tiny child is refused."""
    reasons = {name: _reasons(exporter, name) for name in CHILDREN}
    must(not all(reasons.values()), exporter.name, f"refuses every tiny child: {reasons}")


def exporter_refuses_in_words(exporter: Exporter) -> None:
    """One line each, without the child's name; the same when asked again."""
    strange = [
        ChildLayer(0, attention="no-such-kind"),
        ChildLayer(1, ffn="no-such-kind"),
        ChildLayer(0, attention=None, ffn=None),
        ChildLayer(1, kv_heads=1, width=7, window=3),
    ]
    config = _config("as the parent")
    for layer in strange:
        for ask in (exporter.refuses_layer, exporter.avoids_layer):
            told, again = list(ask(layer, config)), list(ask(layer, config))
            sound = all(isinstance(reason, str) and reason and "\n" not in reason for reason in told)
            must(sound, exporter.name, f"gave no reason of one line for {layer}: {told}")
            must(told == again, exporter.name, f"gave other reasons for {layer} when asked again")


def exporter_writes_what_it_does_not_refuse(exporter: Exporter) -> None:
    """Files, into the folder that it is given."""
    for written in _exported(exporter):
        there = contents(written.context.directory)
        must(bool(there), exporter.name, f"wrote no file for the child {written.name}")


def exporter_leaves_the_child_as_it_is(exporter: Exporter) -> None:
    """It reads the child's folder, and writes into its own."""
    for written in _exported(exporter):
        same = contents(written.context.child) == written.child_before
        must(same, exporter.name, f"changed the files of the child {written.name}")


def exporter_tells_the_command(exporter: Exporter) -> None:
    """That serves what was written, at the place where it will stand."""
    for written in _exported(exporter):
        command, place = written.exported.command, str(written.context.destination)
        must(place in command, exporter.name, f"told the command {command!r}, which does not name {place}")
        must(str(written.context.directory) not in command, exporter.name, "told a command that names a passing folder")


def exporter_writes_the_same_bytes_again(exporter: Exporter) -> None:
    """Equal children, equal files."""
    first = {written.name: contents(written.context.directory) for written in _exported(exporter)}
    second = {written.name: contents(written.context.directory) for written in _exported(exporter)}
    must(first == second, exporter.name, "wrote other bytes when the same child was exported again")


def _config(name: str) -> BlockwrightConfig:
    return small_child(name).config


def _reasons(exporter: Exporter, name: str) -> list[str]:
    from blockwright.exporting.targets import refusals

    return refusals(exporter, _config(name))


def _exported(exporter: Exporter) -> Iterator[Written]:
    """All tiny children that it does not refuse."""
    for name in CHILDREN:
        if not _reasons(exporter, name):
            child, directory = written_child(name), scratch("export")
            before = contents(child)
            context = ExportContext(child, directory, Path("/served/here"))
            yield Written(name, context, exporter.export(context), before)


EXPORTER_CONTRACT: tuple[Callable[[Exporter], None], ...] = (
    exporter_takes_some_child,
    exporter_refuses_in_words,
    exporter_writes_what_it_does_not_refuse,
    exporter_leaves_the_child_as_it_is,
    exporter_tells_the_command,
    exporter_writes_the_same_bytes_again,
)
"""All rules, to parametrize over."""
