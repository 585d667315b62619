"""`debian-docs`: what the machine's packages say about themselves in /usr/share/doc."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

from blockwright.errors import UserError
from blockwright.text.sources.reading import Reading

FOLDER = Path("/usr/share/doc")
PATTERNS = ("README*", "*.txt", "*.txt.gz", "copyright")
LONGEST_FILE = 2**20  # bytes; what is larger is data


def read(argument: str, reading: Reading) -> Iterator[str]:
    """One document a file, without paragraphs that stood in an earlier one (licences, mostly)."""
    folder = Path(argument) if argument else FOLDER
    files = sorted({file for pattern in PATTERNS for file in folder.rglob(pattern) if _is_text(file)})
    if not files:
        raise UserError(
            f"text: the source debian-docs finds no text in {folder}; Debian and its relatives have some there"
        )
    return _without_repeats(map(_text, reading.shuffled(files)))


def _is_text(file: Path) -> bool:
    has_a_text_name = file.suffix in ("", ".txt", ".md", ".rst", ".gz", ".Debian")
    return has_a_text_name and file.is_file() and not file.is_symlink() and file.stat().st_size < LONGEST_FILE


def _text(file: Path) -> str:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return data.decode("utf-8", errors="replace")


def _without_repeats(texts: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for text in texts:
        paragraphs = text.split("\n\n")
        fresh = [paragraph for paragraph in paragraphs if " ".join(paragraph.split()) not in seen]
        seen.update(" ".join(paragraph.split()) for paragraph in paragraphs)
        yield "\n\n".join(fresh)
