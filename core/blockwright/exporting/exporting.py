"""One child written for one engine: refused with all reasons, or whole, with its model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.exporters import ExportContext, Exported, Exporter
from blockwright.exporting.card import write_card
from blockwright.exporting.origin import Origin
from blockwright.exporting.targets import refusals
from blockwright.files import copy_licences, write_directory_atomically

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


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


def child_config_of(child: Path) -> BlockwrightConfig:
    """The config in a child's folder; UserError where there is none, or another model's."""
    import json

    from blockwright.child.configuration_blockwright import BlockwrightConfig

    file = child / "config.json"
    if not file.is_file():
        raise UserError(f"{child}: no config.json in it; name a run, or the folder of a child")
    model_type = json.loads(file.read_text()).get("model_type")
    if model_type != BlockwrightConfig.model_type:
        raise UserError(f"{child}: holds a model of type '{model_type}', not a child of Blockwright")
    return BlockwrightConfig.from_pretrained(child)


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
