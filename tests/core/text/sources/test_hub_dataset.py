"""Data sets through the package datasets, from a folder instead of the hub."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.text.sources import documents
from blockwright.text.sources.reading import Reading


def test_an_absent_package_says_what_to_type(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="type `pip install datasets`"):
        documents("hub:owner/name", reading)


def test_each_record_is_a_document(reading: Reading, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    lines = [json.dumps({"text": f"document {number}"}) for number in range(3)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    assert sorted(documents(f"hub:{tmp_path}", reading)) == [f"document {number}" for number in range(3)]
