"""`man:SECTION`: the machine's manual pages as plain text."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from blockwright.errors import UserError
from blockwright.text.sources.reading import Reading
from blockwright.text.sources.roff import plain_text

FOLDERS = (Path("/usr/share/man"), Path("/usr/local/share/man"))


def read(argument: str, reading: Reading, folders: tuple[Path, ...] = FOLDERS) -> Iterator[str]:
    """One document a page; pages that only point to another are left out."""
    files = sorted(file for folder in folders for file in folder.glob(f"man{argument}/*.*") if file.is_file())
    if not argument or not files:
        sections = sorted({path.name.removeprefix("man") for folder in folders for path in folder.glob("man?")})
        there = (
            f"there is {', '.join(f'man:{section}' for section in sections)}" if sections else "there is no manual here"
        )
        raise UserError(f"text: no pages in section '{argument}' of this machine's manual; {there}")
    return (plain_text(roff) for roff in map(_roff, reading.shuffled(files)) if not roff.startswith(".so "))


def _roff(file: Path) -> str:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return data.decode("utf-8", errors="replace")
