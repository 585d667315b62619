"""The machine's manual, in a folder that the test fills."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.text.sources import man_pages
from blockwright.text.sources.reading import Reading


@pytest.fixture
def manual(tmp_path: Path) -> tuple[Path, ...]:
    (tmp_path / "man1").mkdir()
    (tmp_path / "man1" / "one.1.gz").write_bytes(gzip.compress(b".SH NAME\none \\- first\n"))
    (tmp_path / "man1" / "two.1").write_text(".SH NAME\ntwo \\- second\n")
    (tmp_path / "man1" / "alias.1").write_text(".so man1/two.1\n")
    return (tmp_path,)


def test_pages_are_read_packed_or_not_and_pointers_are_left_out(manual: tuple[Path, ...], reading: Reading) -> None:
    texts = sorted(man_pages.read("1", reading, manual))
    assert texts == ["NAME\n\none - first\n", "NAME\n\ntwo - second\n"]


def test_a_section_without_pages_says_which_there_are(manual: tuple[Path, ...], reading: Reading) -> None:
    with pytest.raises(UserError, match="no pages in section '9' of this machine's manual; there is man:1"):
        man_pages.read("9", reading, manual)
