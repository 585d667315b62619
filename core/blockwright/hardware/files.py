"""Profiles on disk: a YAML file, and its measured tables in a folder beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from blockwright.errors import UserError, did_you_mean
from blockwright.files import write_atomically
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import read_tables, write_tables
from blockwright.hardware.timings import read_timings, write_timings
from blockwright.recipes.locations import line_of, load_yaml, read_text
from blockwright.recipes.mistakes import mistakes_of
from blockwright.resources import named_files


def profile_files() -> Mapping[str, Path]:
    """Bundled profiles and those of plugins, by name."""
    from blockwright.plugins import installed_plugins

    return named_files(installed_plugins().resource_folders("hardware"))


def find_profile(name: str, beside: Path = Path()) -> Path:
    """The file of a name or of a path (relative to `beside`); UserError with the nearest name."""
    known = profile_files()
    file = known.get(name) or beside / name
    if not file.is_file():
        raise UserError(f"no hardware profile is called '{name}'{did_you_mean(name, known)}")
    return file


def read_profile(file: Path) -> HardwareProfile:
    """UserError tells all that is wrong, a line each, with file and line."""
    text = read_text(file)
    data = load_yaml(text, file)
    if not isinstance(data, dict):
        raise UserError(f"{file}:1: a hardware profile is a mapping of keys (`name: …`)")
    folder = data.pop("tables", None)
    if folder is not None and (not isinstance(folder, str) or folder == ".." or Path(folder).name != folder):
        raise UserError(f"{file}:{line_of(text, ('tables',))}: tables: expected the name of a folder beside the file")
    if "timings" in data:
        raise UserError(
            f"{file}:{line_of(text, ('timings',))}: timings: stand in the folder of the tables, as parts.csv"
        )
    try:
        profile = HardwareProfile.model_validate(data)
    except ValidationError as error:
        raise UserError(
            *(
                f"{file}:{line_of(text, mistake.path)}: {mistake.dotted}: {mistake.message}"
                for mistake in mistakes_of(error, HardwareProfile)
            )
        ) from None
    if folder is None:
        return profile
    if not (file.parent / folder).is_dir():
        raise UserError(f"{file}:{line_of(text, ('tables',))}: tables: there is no folder {file.parent / folder}")
    beside = file.parent / folder
    return profile.model_copy(update={"tables": read_tables(beside), "timings": read_timings(beside)})


def write_profile(profile: HardwareProfile, file: Path) -> None:
    """Numbers are rounded to five digits, so that the file can be read by people."""
    data = {
        name: value
        for name, value in profile.model_dump(mode="json", exclude={"tables", "timings"}).items()
        if value != ""
    }
    if profile.tables.all or profile.timings:
        write_tables(profile.tables, file.parent / file.stem, profile.source)
        write_timings(profile.timings, file.parent / file.stem)
        data["tables"] = file.stem
    with write_atomically(file) as beside:
        beside.write_text(yaml.safe_dump(_rounded(data), sort_keys=False, allow_unicode=True, width=120))


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    return value
