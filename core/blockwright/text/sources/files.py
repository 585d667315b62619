"""Files, folders and globs of plain text, JSON lines and parquet; `?field=NAME` names what is read of a record."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from blockwright.text.sources import records
from blockwright.text.sources.options import refuse_unknown, split_options
from blockwright.text.sources.reading import Reading

PLAIN = (".txt", ".md", ".rst")
SUFFIXES = (*PLAIN, *records.SUFFIXES)
LARGE_FILE = 64 * 2**20  # bytes; a text file beyond it is read in blocks that count as documents
BLOCK_CHARACTERS = 2**20


def matching(source: str) -> list[Path]:
    """The readable files that a path, a folder (searched whole) or a glob names, sorted."""
    path = Path(split_options(source)[0]).expanduser()
    if path.is_dir():
        found = list(path.rglob("*"))
    elif path.is_file():
        found = [path]
    else:
        found = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - of absolute patterns too
    return sorted(file for file in found if file.name.endswith(SUFFIXES) and file.is_file())


def read(source: str, found: Sequence[Path], reading: Reading) -> Iterator[str]:
    """Of the files that match: a plain one is one document, each record of the others too. Any size, as asked for."""
    name, options = split_options(source)
    refuse_unknown(options, ("field",), name)
    return _documents(found, options.get("field"), reading)


def _documents(files: Sequence[Path], field: str | None, reading: Reading) -> Iterator[str]:
    for file in reading.shuffled(list(files)):
        if not file.name.endswith(PLAIN):
            yield from (reading.text_of(record, where, field) for record, where in records.read(file, field, reading))
        elif file.stat().st_size > LARGE_FILE:
            yield from _blocks(file)
        else:
            yield file.read_text(encoding="utf-8", errors="replace")


def _blocks(file: Path) -> Iterator[str]:
    """Pieces of a large file, cut between paragraphs where there are some."""
    left = ""
    with file.open(encoding="utf-8", errors="replace") as text:
        while block := text.read(BLOCK_CHARACTERS):
            whole, between, rest = (left + block).rpartition("\n\n")
            left = rest if between else ""
            yield whole + between or rest
    yield left
