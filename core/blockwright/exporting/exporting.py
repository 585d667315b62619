"""One child written for one engine: refused with all reasons, or whole, with its model card."""

from __future__ import annotations

from pathlib import Path

from blockwright.child.config_reading import child_config_of
from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.exporters import ExportContext, Exported, Exporter
from blockwright.exporting.card import write_card
from blockwright.exporting.origin import Origin
from blockwright.exporting.targets import refusals
from blockwright.files import copy_licences, write_directory_atomically


def export_child(exporter: Exporter, child: Path, destination: Path, origin: Origin) -> Exported:
    """Writes `destination`, which must not be there yet; UserError with every reason for what cannot be exact."""
    config = child_config_of(child)
    reasons = refusals(exporter, config)
    if reasons:
        raise UserError(*(f"{child}: cannot be exported to {exporter.name}: {reason}" for reason in reasons))
    if destination.exists():
        raise UserError(f"{destination}: is there already; name a folder that is not")
    with write_directory_atomically(destination) as beside:
        context = ExportContext(child, beside, destination.absolute())
        exported = exporter.export(context)
        write_card(context, config, origin, exporter.name, exported)
        copy_licences(child, beside)
    emit("child_exported", exporter=exporter.name, path=str(destination), bytes=size_of(destination))
    return exported


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
