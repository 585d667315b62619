"""Where a child comes from, as far as a run's files or the child's own folder tell: what its model card says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.terminal.resources import cost_rows

if TYPE_CHECKING:
    from blockwright.report.reading import Record

FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---", re.S)


@dataclass(frozen=True)
class Cost:
    """One resource: what the child takes, what the parent took, its share, and the budget as the recipe wrote it."""

    resource: str
    child: str
    parent: str
    share: str
    budget: str = ""


@dataclass(frozen=True)
class Origin:
    """Facts for the card; what nothing tells is empty, and is not written."""

    name: str
    parent: str = ""
    revision: str = ""
    licence: str = ""
    costs: tuple[Cost, ...] = ()
    evaluation: Mapping[str, float] | None = None
    stages: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    blockwright: str = ""


def origin_of_run(record: Record, parent_folder: Path) -> Origin:
    """From the files of a run, finished or not."""
    final = record.evaluation.final if record.evaluation else None
    found = origin_of_recipe(record, parent_folder)
    return replace(found, costs=tuple(_costs(record)), evaluation=final.model_dump() if final else None)


def origin_of_recipe(record: Record, parent_folder: Path) -> Origin:
    """What a run was to do, whatever it came to."""
    section = record.recipe.get("parent")
    parent = section if isinstance(section, dict) else {}
    text = record.recipe.get("text")
    sources = text.get("calibration", ()) if isinstance(text, dict) else ()
    return Origin(
        record.name,
        _public_name(record.parent_name),
        str(parent.get("revision") or ""),
        licence_in(parent_folder) or _licence_of_package(str(parent.get("model", ""))),
        stages=tuple(step.partition("-")[2] for step in record.later.stages),
        texts=tuple(map(public_source, sources)),
        blockwright=str(record.versions.get("blockwright", "")),
    )


def origin_of_folder(child: Path) -> Origin:
    """From a child that is known by its folder alone."""
    from blockwright.running.versions import version_of

    return Origin(child.resolve().name, licence=licence_in(child), blockwright=version_of("blockwright") or "")


def licence_in(folder: Path) -> str:
    """As the front matter of a model card there has it (`license: apache-2.0`); empty where none does."""
    import yaml

    card = folder / "README.md"
    match = FRONT_MATTER.match(card.read_text(errors="replace")) if card.is_file() else None
    try:
        front = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        return ""
    if not isinstance(front, dict):
        return ""
    return str(front.get("license_name") or front.get("license") or "")


def _licence_of_package(model: str) -> str:
    """What an installed package that holds a model says of itself."""
    import importlib.metadata

    if not model.startswith("package:"):
        return ""
    try:
        said = importlib.metadata.metadata(model.removeprefix("package:"))
    except importlib.metadata.PackageNotFoundError:
        return ""
    found = [said[field] for field in ("License-Expression", "License") if field in said]
    return next((licence for licence in found if licence and "\n" not in licence), "")


def _public_name(name: str) -> str:
    """A hub's id as it is; of a path on this machine only the last part."""
    looks_like_an_id = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) is not None and not name.startswith((".", "/"))
    is_a_source = ":" in name and not name.startswith(("/", ".", "~"))
    return name if looks_like_an_id or is_a_source else Path(name).name


def public_source(source: object) -> str:
    """Of a name, or of `{source: NAME, weight: 2}`."""
    return _public_name(str(source.get("source") if isinstance(source, dict) else source))


def _costs(record: Record) -> list[Cost]:
    if record.search is None or record.costs is None:
        return []
    budget, parent = record.recipe.get("budget"), record.costs.parent
    written = budget if isinstance(budget, dict) else {}
    return [Cost(*row, str(written.get(row[0], ""))) for row in cost_rows(record.search.solution.costs, parent)]
