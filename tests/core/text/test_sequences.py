"""From documents to sequences of one length."""

from __future__ import annotations

from pathlib import Path

from blockwright.text.sequences import SAMPLE_CHARACTERS, sequences


def test_documents_follow_each_other_with_an_end_token_between(parent_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(parent_folder)
    (tmp_path / "a.txt").write_text("w1 w1 w1")
    (tmp_path / "b.txt").write_text("w2 w2 w2")
    (sequence,) = sequences(str(tmp_path), tokenizer, 8, seed=0)
    first, second = sorted((sequence[:3], sequence[4:7]))
    assert first == tokenizer("w1 w1 w1")["input_ids"]
    assert second == tokenizer("w2 w2 w2")["input_ids"]
    assert sequence[3] == sequence[7] == tokenizer.eos_token_id


def test_the_same_document_twice_is_read_once(parent_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("w1 w2 w3")
    assert len(list(sequences(str(tmp_path), AutoTokenizer.from_pretrained(parent_folder), 4, seed=0))) == 1


def test_a_long_document_loses_no_word_when_it_is_cut(parent_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(parent_folder)
    paragraphs = "\n\n".join(["w1 w2 w3 w4"] * (SAMPLE_CHARACTERS // 8))
    (tmp_path / "long.txt").write_text(paragraphs)
    tokens = [token for sequence in sequences(str(tmp_path), tokenizer, 2, seed=0) for token in sequence]
    assert tokens.count(tokenizer("w1")["input_ids"][0]) == SAMPLE_CHARACTERS // 8
    assert tokenizer.unk_token_id not in tokens
