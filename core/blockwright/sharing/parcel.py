"""A shared library: a folder with `library.json`, one safetensors file a sub-block, and `scores.json`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from blockwright.errors import UserError
from blockwright.files import sha256_of, write_atomically, write_directory_atomically, write_json
from blockwright.foreign_files import read_json
from blockwright.library import Library, sub_block_path
from blockwright.searching.pricing import Space
from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from blockwright.parent import Parent
    from blockwright.running.files import RunFiles

MANIFEST, SCORES = "library.json", "scores.json"
_SCORES = TypeAdapter(dict[str, dict[str, FiniteFloat]])
SAMPLED = 4096  # numbers of each weight that go into a parent's digest


class SharedFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str
    bytes: int


class Manifest(BaseModel):
    """`library.json`: what the folder holds, and of what parent."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = 1
    parent: str
    family: str
    variants: Mapping[str, tuple[str, ...]]
    files: Mapping[str, SharedFile]
    scorer: Mapping[str, object] | None = None


def export_library(files: RunFiles, scorer: Mapping[str, object], folder: Path) -> Path:
    """Copies a run's library and its scores; UserError for a folder that is there already."""
    if folder.exists():
        raise UserError(f"{folder}: is there already; name a folder that is not")
    if files.scores_origin().guessed:
        raise UserError(f"{files.directory}: its scores are guessed, and are not shared; score it with another scorer")
    if files.base is not files.parent:
        from blockwright.running.files import ITERATIONS

        told = f"share the parent's, which is that of {files.directory / ITERATIONS / '1'}"
        raise UserError(f"{files.directory}: its library is made from a healed child, not from the parent; {told}")
    library = files.library
    with write_directory_atomically(folder) as beside:
        for sub_block in library.sub_blocks():
            shutil.copyfile(sub_block_path(library.directory, sub_block), sub_block_path(beside, sub_block))
        write_json(beside / SCORES, {name: dict(scores) for name, scores in files.scores().items()})
        manifest = Manifest(
            parent=parent_digest(files.parent),
            family=files.parent.family,
            variants={str(one): tuple(spec.label for spec in library.variants(one)) for one in library.sub_blocks()},
            files={path.name: _described(path) for path in sorted(beside.iterdir())},
            scorer=scorer,
        )
        write_json(beside / MANIFEST, manifest.model_dump(mode="json"))
    return folder


def import_library(folder: Path, parent: Parent, space: Space, into: Path) -> Library:
    """Copies what a space needs, after checking it; UserError says what is missing, changed, or of another parent."""
    manifest = read_manifest(folder)
    if manifest.parent != parent_digest(parent):
        raise UserError(f"library.shared: {folder} was built from another parent ({manifest.family})")
    lacking = [_lacking(sub_block, specs, manifest) for sub_block, specs in space.items()]
    if any(lacking):
        raise UserError(*(f"library.shared: {folder} has no {line}" for line in lacking if line))
    for sub_block in space:
        name = sub_block_path(Path(), sub_block).name
        check_file(folder, name, manifest)
        with write_atomically(into / name) as beside:
            shutil.copyfile(folder / name, beside)
    return Library(into, parent.source())


def read_scores(folder: Path) -> Mapping[str, Mapping[str, float]]:
    """The scores of a shared library, checked."""
    check_file(folder, SCORES, read_manifest(folder))
    try:
        return _SCORES.validate_python(read_json(folder / SCORES))
    except ValidationError as error:
        raise UserError(f"{folder / SCORES}: are no scores ({error.errors()[0]['msg']})") from None


def read_manifest(folder: Path) -> Manifest:
    """UserError for a folder that is no shared library."""
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder}: holds no {MANIFEST}; `blockwright share RUN FOLDER` makes one")
    try:
        return Manifest.model_validate(read_json(folder / MANIFEST))
    except ValidationError as error:
        raise UserError(f"{folder / MANIFEST}: is no list of a library ({error.errors()[0]['msg']})") from None


def check_file(folder: Path, name: str, manifest: Manifest) -> None:
    """UserError for a file that is missing, cut short or changed."""
    listed, path = manifest.files.get(name), folder / name
    if listed is None or not path.is_file():
        raise UserError(f"{path}: is missing; copy the shared library again")
    if _described(path) != listed:
        raise UserError(f"{path}: is not what {MANIFEST} says; copy the shared library again")


def parent_digest(parent: Parent) -> str:
    """Of names, shapes and the first numbers of all weights: equal for equal models, however their files are cut."""
    source, digest = parent.source(), hashlib.sha256()
    for name in sorted(source.names()):
        tensor = source.read(name)
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten()[:SAMPLED].float().numpy().tobytes())
    return digest.hexdigest()


def _described(path: Path) -> SharedFile:
    return SharedFile(sha256=sha256_of(path), bytes=path.stat().st_size)


def _lacking(sub_block: SubBlock, specs: Sequence[object], manifest: Manifest) -> str:
    """`ffn.3: narrow=512, skip`, empty where the library has all."""
    there = manifest.variants.get(str(sub_block), ())
    missing = [label for label in (spec.label for spec in specs) if label not in there]  # type: ignore[attr-defined]
    return f"{sub_block}: {', '.join(missing)}" if missing else ""
