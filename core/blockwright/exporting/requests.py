"""An export asked for by name, from Python or from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.exporters import Exported, Exporter
from blockwright.exporting.origin import Origin, origin_of_folder, origin_of_recipe, origin_of_run
from blockwright.recipes.plugin_sections import make_plugin

if TYPE_CHECKING:
    from blockwright.api import Run


def export_named(child_or_run: str, to: str, options: Sequence[str], out: Path | None) -> tuple[Path, Exported]:
    """Writes the child and says where; `options` are as typed (`precision=q8_0`).

    UserError for names and options that are none, and for a child that the target cannot take.
    """
    from blockwright.exporting.exporting import export_child

    exporter = make_exporter(to, options)
    child, origin = find_child(child_or_run)
    destination = out or Path(f"{origin.name}-{to}")
    return destination, export_child(exporter, child, destination, origin)


def make_exporter(name: str, options: Sequence[str] = ()) -> Exporter:
    """The installed exporter of that name with these options."""
    from blockwright.plugins import installed_plugins
    from blockwright.recipes.reading import parse_overrides

    given = {".".join(map(str, option.path)): option.value for option in parse_overrides(options)}
    made, mistakes = make_plugin(installed_plugins().exporters, "exporter", name, given, ())
    if made is None:
        raise UserError(*(f"{one.dotted}: {one.message}" if one.path else one.message for one in mistakes))
    return made


def find_child(name: str) -> tuple[Path, Origin]:
    """The child's folder and its origin, of a run (its folder or its name) or of a child's folder."""
    from blockwright.api import open_run

    if (Path(name) / "config.json").is_file():
        return Path(name), origin_of_folder(Path(name))
    run = open_run(name)
    return run.child, _origin(run)


def _origin(run: Run) -> Origin:
    from blockwright.report.reading import Record

    if not (run.child / "config.json").is_file():
        raise UserError(f"{run.directory}: has no child yet; finish it with `blockwright run`")
    record = Record(run.directory)
    try:
        return origin_of_run(record, run.files.parent.directory)
    except UserError:  # files of another version's run: its child is as good as ever, and its card says less
        return origin_of_recipe(record, run.files.parent.directory)
