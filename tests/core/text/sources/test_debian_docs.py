"""What packages say about themselves, in a folder that the test fills."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.text.sources import debian_docs
from blockwright.text.sources.reading import Reading


def test_a_paragraph_is_read_once_however_many_packages_have_it(tmp_path: Path, reading: Reading) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "copyright").write_text(f"Package {name}.\n\nThe long  licence\nof all.\n\nBye from {name}.")
    text = "\n\n".join(debian_docs.read(str(tmp_path), reading))
    assert text.count("licence") == 1
    assert text.count("Bye from first.") == text.count("Bye from second.") == 1


def test_only_files_of_text_are_read(tmp_path: Path, reading: Reading) -> None:
    (tmp_path / "README").write_text("read me")
    (tmp_path / "README.html").write_text("<p>not me")
    (tmp_path / "notes.txt").write_text("and me")
    assert sorted(debian_docs.read(str(tmp_path), reading)) == ["and me", "read me"]


def test_a_machine_without_such_text_says_so(tmp_path: Path, reading: Reading) -> None:
    with pytest.raises(UserError, match=r"debian-docs finds no text in .*; Debian and its relatives"):
        debian_docs.read(str(tmp_path), reading)
