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


README = """---
configs:
- config_name: english
  data_files: [{split: train, path: en.jsonl}, {split: validation, path: judge.jsonl}]
- config_name: german
  data_files: de.jsonl
---
"""


@pytest.fixture
def two_languages(tmp_path: Path) -> Path:
    pytest.importorskip("datasets")
    (tmp_path / "README.md").write_text(README)
    for name in ("en", "de", "judge"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": name, "body": f"body of {name}"}))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("config=german", "de"),
        ("config=english&split=validation", "judge"),
        ("split=train&config=english&field=body", "body of en"),
    ],
)
def test_options_choose_config_split_and_field(options: str, text: str, two_languages: Path, reading: Reading) -> None:
    assert list(documents(f"hub:{two_languages}?{options}", reading)) == [text]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", r"cannot be opened: .*config.*english.*german"),
        ("config=english&split=test", r"cannot be opened: .*test"),
        ("splt=test", r"the source hub:.* has no option 'splt', did you mean 'split'"),
    ],
)
def test_a_wrong_choice_says_what_there_is(options: str, message: str, two_languages: Path, reading: Reading) -> None:
    with pytest.raises(UserError, match=message):
        list(documents(f"hub:{two_languages}?{options}" if options else f"hub:{two_languages}", reading))


def test_a_dataset_that_was_saved_to_disk_is_read_from_there(reading: Reading, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"messages": [[{"role": "user", "content": f"q{n}"}] for n in range(9)]})
    rows.save_to_disk(tmp_path / "rows")
    datasets.DatasetDict({"judge": rows.select([3])}).save_to_disk(tmp_path / "splits")
    read = list(documents(f"hub:{tmp_path / 'rows'}", reading))
    assert sorted(read) == [f"[user] q{n}\n" for n in range(9)] != read
    assert list(documents(f"hub:{tmp_path / 'splits'}?split=judge", reading)) == ["[user] q3\n"]
    with pytest.raises(UserError, match=r"has no split 'train'; there is judge"):
        list(documents(f"hub:{tmp_path / 'splits'}", reading))
