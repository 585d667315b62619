"""Files, folders and globs as sources of text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random

import pytest

from blockwright.errors import UserError
from blockwright.text.sources import documents, files, records
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


@pytest.mark.parametrize("name", ["lines.jsonl", "lines.jsonl.gz"])
def test_lines_come_in_the_order_that_the_seed_gives_their_numbers(name: str, tmp_path: Path, reading: Reading) -> None:
    lines = [json.dumps({"text": f"größer {number}"}, ensure_ascii=False) for number in range(20)]
    data = "\n".join(lines).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    order = Random(0)
    order.sample([name], 1)  # the files are ordered first
    expected = [f"größer {number}" for number in order.sample(range(20), 20)]
    assert list(documents(str(tmp_path / name), reading)) == expected


def test_a_large_packed_file_is_read_as_it_comes(
    tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LARGE_GZIP", 10)
    lines = "\n".join(json.dumps({"text": f"document {number}"}) for number in range(20))
    (tmp_path / "lines.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert list(documents(str(tmp_path), reading)) == [f"document {number}" for number in range(20)]


def test_a_large_text_file_is_read_in_blocks_that_lose_nothing(
    tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGE_FILE", 1000)
    monkeypatch.setattr(files, "BLOCK_CHARACTERS", 300)
    text = "\n\n".join(f"paragraph {number}" for number in range(200)) + "x" * 1000
    (tmp_path / "book.txt").write_text(text)
    blocks = list(documents(str(tmp_path), reading))
    assert "".join(blocks) == text
    assert len(blocks) > 5
    assert all(block.startswith("paragraph") for block in blocks[:5])


def test_parquet_files_are_read_row_group_by_row_group(tmp_path: Path, reading: Reading) -> None:
    from pyarrow import Table, parquet

    rows = [f"document {number}" for number in range(20)]
    parquet.write_table(
        Table.from_pydict({"text": rows, "id": list(range(20))}), tmp_path / "a.parquet", row_group_size=5
    )
    read = list(documents(str(tmp_path), reading))
    assert sorted(read) == sorted(rows)
    assert read != rows
    groups = [{int(text.split()[1]) // 5 for text in read[start : start + 5]} for start in range(0, 20, 5)]
    assert all(len(group) == 1 for group in groups)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_an_option_names_the_field_that_holds_text_or_messages(name: str, tmp_path: Path, reading: Reading) -> None:
    from pyarrow import Table, parquet

    record = {"text": "not me", "body": "me", "talk": [{"role": "user", "content": "hello"}]}
    parquet.write_table(Table.from_pylist([record]), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    assert list(documents(f"{tmp_path / name}?field=body", reading)) == ["me"]
    assert list(documents(f"{tmp_path}/?{name[1:]}?field=talk", reading)) == ["[user] hello\n"]
    with pytest.raises(UserError, match=r"needs text or messages in `bdy`, this one has text, body, talk"):
        list(documents(f"{tmp_path / name}?field=bdy", reading))
    with pytest.raises(UserError, match=r"has no option 'feild', did you mean 'field'"):
        list(documents(f"{tmp_path / name}?feild=body", reading))


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path, reading: Reading) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR2 and nothing else")
    with pytest.raises(UserError, match=r"a.parquet: is no parquet file"):
        list(documents(str(tmp_path), reading))


def test_messages_need_a_chat_template(tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.tokenizer, "chat_template", None)
    (tmp_path / "lines.jsonl").write_text('{"messages": []}')
    with pytest.raises(UserError, match="has no chat template"):
        list(documents(str(tmp_path), reading))


def test_what_is_no_source_and_no_file_gets_the_nearest_source(reading: Reading) -> None:
    with pytest.raises(UserError, match=r"'pydocs:modules' is no source of text and no file.*did you mean 'pydoc'"):
        documents("pydocs:modules", reading)
