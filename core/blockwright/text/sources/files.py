"""Files, folders and globs of plain text and of JSON lines."""

from __future__ import annotations

import glob
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from blockwright.errors import UserError
from blockwright.text.sources.reading import Reading

PLAIN = (".txt", ".md", ".rst")
LINES = (".jsonl", ".jsonl.gz")
SUFFIXES = (*PLAIN, *LINES)


def matching(source: str) -> list[Path]:
    """The readable files that a path, a folder (searched whole) or a glob names, sorted."""
    path = Path(source).expanduser()
    if path.is_dir():
        found = list(path.rglob("*"))
    elif path.is_file():
        found = [path]
    else:
        found = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - of absolute patterns too
    return sorted(file for file in found if file.name.endswith(SUFFIXES) and file.is_file())


def read(files: Sequence[Path], reading: Reading) -> Iterator[str]:
    """A plain file is one document; each line of a JSON lines file is one."""
    for file in reading.shuffled(list(files)):
        if file.name.endswith(LINES):
            yield from reading.shuffled(list(_records(file, reading)))
        else:
            yield file.read_text(encoding="utf-8", errors="replace")


def _records(file: Path, reading: Reading) -> Iterator[str]:
    open_text = gzip.open if file.name.endswith(".gz") else open
    with open_text(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield reading.text_of(_parsed(line, f"{file}:{number}"), f"{file}:{number}")


def _parsed(line: str, where: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: is no JSON ({error.msg} at column {error.colno})") from None
