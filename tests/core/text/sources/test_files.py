"""Files, folders and globs as sources of text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.text.sources import documents
from blockwright.text.sources.reading import Reading


def test_a_folder_is_searched_whole_for_files_of_text(tmp_path: Path, reading: Reading) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "deep" / "b.rst").write_text("two")
    (tmp_path / "picture.png").write_bytes(b"three")
    assert sorted(documents(str(tmp_path), reading)) == ["one", "two"]


def test_a_glob_names_files(tmp_path: Path, reading: Reading) -> None:
    for name in ("a.txt", "b.txt", "c.md"):
        (tmp_path / name).write_text(name)
    assert sorted(documents(f"{tmp_path}/*.txt", reading)) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("name", ["lines.jsonl", "lines.jsonl.gz"])
def test_each_json_line_is_a_document_of_text_or_of_messages(name: str, tmp_path: Path, reading: Reading) -> None:
    records = [{"text": "plain"}, {"messages": [{"role": "user", "content": "hello"}]}]
    data = "\n\n".join(map(json.dumps, records)).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert sorted(documents(str(tmp_path / name), reading)) == ["[user] hello\n", "plain"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "fine"', r"lines.jsonl:2: is no JSON"),
        ('{"prompt": "x"}', r"lines.jsonl:2: a record needs `text` or `messages`, this one has prompt"),
        ("[1]", r"lines.jsonl:2: a record needs `text` or `messages`, this one has no fields"),
    ],
)
def test_a_bad_line_is_named_with_its_number(line: str, message: str, tmp_path: Path, reading: Reading) -> None:
    (tmp_path / "lines.jsonl").write_text(f'{{"text": "good"}}\n{line}\n')
    with pytest.raises(UserError, match=message):
        list(documents(str(tmp_path / "lines.jsonl"), reading))


def test_messages_need_a_chat_template(tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.tokenizer, "chat_template", None)
    (tmp_path / "lines.jsonl").write_text('{"messages": []}')
    with pytest.raises(UserError, match="has no chat template"):
        list(documents(str(tmp_path), reading))


def test_what_is_no_source_and_no_file_gets_the_nearest_source(reading: Reading) -> None:
    with pytest.raises(UserError, match=r"'pydocs:modules' is no source of text and no file.*did you mean 'pydoc'"):
        documents("pydocs:modules", reading)
