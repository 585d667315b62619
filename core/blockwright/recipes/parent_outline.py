"""The parent without its weights, so that a recipe can be checked before anything heavy starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from blockwright.errors import UserError, did_you_mean, first_line
from blockwright.hub import refused
from blockwright.models.quiet import quiet_transformers
from blockwright.parent import ModelFamily, Parent, ParentSettings, describe_parent, locate, open_parent

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def outline_parent(settings: ParentSettings, families: Mapping[str, ModelFamily]) -> Parent:
    """Reads only the parent's config, out of a folder, a GGUF file or the hub; its `directory` may hold no weights."""
    place = locate(settings)
    if isinstance(place, Path):
        _check_files(place, settings)
        if settings.gguf_file is None:
            return (open_parent if settings.weights else describe_parent)(place, families)
    with TemporaryDirectory() as folder:
        _config(place, settings).save_pretrained(folder)
        return describe_parent(Path(folder), families)


def save_config(settings: ParentSettings, folder: Path) -> None:
    """The parent's config.json alone."""
    _config(locate(settings), settings).save_pretrained(folder)


def _check_files(place: Path, settings: ParentSettings) -> None:
    if settings.gguf_file is not None and not (place / settings.gguf_file).is_file():
        found = sorted(file.name for file in place.glob("*.gguf"))
        raise UserError(
            f"parent.gguf_file: no '{settings.gguf_file}' in {place}{did_you_mean(settings.gguf_file, found)}"
        )
    if settings.gguf_file is None and not (place / "config.json").is_file():
        gguf = sorted(file.name for file in place.glob("*.gguf"))
        hint = f"; for its GGUF file set parent.gguf_file: {gguf[0]}" if gguf else ""
        raise UserError(f"parent.model: no config.json in {place}{hint}")


def _config(place: Path | str, settings: ParentSettings) -> PreTrainedConfig:
    from transformers import AutoConfig

    try:
        with quiet_transformers():
            config: PreTrainedConfig = AutoConfig.from_pretrained(
                place, gguf_file=settings.gguf_file, revision=settings.revision, trust_remote_code=False
            )
    except Exception as error:  # a damaged GGUF file ends in errors of any kind
        hubs = None if isinstance(place, Path) else refused(error, place)
        why = hubs or f"'{settings.model}' cannot be opened ({first_line(error)})"
        raise UserError(f"parent.model: {why}") from None
    return config


def fingerprint(settings: ParentSettings) -> list[list[object]]:
    """The parent's files by name, size and time of change, so that a parent that was written anew is read anew."""
    place = locate(settings)
    if not isinstance(place, Path):
        return []
    names = (
        [place / settings.gguf_file]
        if settings.gguf_file
        else sorted([*place.glob("*.json"), *place.glob("*.safetensors")])
    )
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in names]
