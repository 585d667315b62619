"""Training text: mixed by weight, packed with its documents told apart, mapped from disk, and free of what judges."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.text.corpus import Corpus, CorpusSettings, make_corpus
from blockwright.text.overlap import Overlap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WriteText = Callable[..., str]
NOTHING = Overlap(())
SPECIAL = 4  # tokens before the words


@pytest.fixture
def write_text(tmp_path: Path) -> WriteText:
    """`write_text("a", documents=3, words=10, low=0, high=30)` writes documents of random words w0 … w29."""

    def write(name: str, documents: int, words: int, low: int = 0, high: int = 60) -> str:
        draw = random.Random(name)
        (tmp_path / name).mkdir()
        for number in range(documents):
            text = " ".join(f"w{draw.randrange(low, high)}" for _ in range(words))
            (tmp_path / name / f"{number}.txt").write_text(text)
        return str(tmp_path / name)

    return write


def of(*sources: str | dict[str, object], tokens: int = 320) -> CorpusSettings:
    return CorpusSettings.model_validate({"sources": sources, "tokens": tokens, "sequence_length": 16})


def all_tokens(corpus: Corpus) -> torch.Tensor:
    return torch.stack([tokens for tokens, _ in corpus])


def test_a_corpus_holds_the_budget_in_whole_sequences(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    corpus = make_corpus(of(write_text("a", 40, 20), tokens=310), tokenizer, 0, tmp_path / "corpus", NOTHING)
    assert (len(corpus), corpus.sequence_length) == (20, 16)
    assert all(part.dtype == torch.int64 and part.shape == (16,) for pair in corpus for part in pair)


def test_documents_are_numbered_from_nought_in_every_sequence_and_change_after_the_end_token(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    corpus = make_corpus(of(write_text("a", 40, 6)), tokenizer, 0, tmp_path / "corpus", NOTHING)
    for tokens, documents in corpus:
        assert documents[0] == 0
        assert torch.equal(documents[1:] - documents[:-1], (tokens[:-1] == tokenizer.eos_token_id).long())


def test_a_document_longer_than_a_sequence_goes_on_in_the_next_one(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    source = write_text("a", 1, 31)
    corpus = make_corpus(of(source, tokens=32), tokenizer, 0, tmp_path / "corpus", NOTHING)
    words = tokenizer((Path(source) / "0.txt").read_text())["input_ids"]
    assert all_tokens(corpus).flatten().tolist() == [*words, tokenizer.eos_token_id]
    assert all(documents.unique().tolist() == [0] for _, documents in corpus)


@pytest.mark.parametrize(("weight", "share"), [(1, 0.5), (3, 0.75), (0.25, 0.2)])
def test_weights_are_shares_of_the_tokens_and_hold_all_along(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path, weight: float, share: float
) -> None:
    low, high = write_text("low", 60, 20, 0, 30), write_text("high", 60, 20, 30, 60)
    settings = of({"source": low, "weight": weight}, high, tokens=16 * 40)
    corpus = make_corpus(settings, tokenizer, 0, tmp_path / "corpus", NOTHING)
    is_low = (all_tokens(corpus)[:, 0:2].max(dim=1).values < SPECIAL + 30).double()
    so_far = is_low.cumsum(0)
    assert so_far[-1] == 40 * share
    assert (so_far - share * torch.arange(1, 41)).abs().max() < 1


def test_a_seed_gives_the_same_bytes_and_another_seed_another_order(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    settings = of(write_text("a", 40, 20))
    made = [
        make_corpus(settings, tokenizer, seed, tmp_path / name, NOTHING)
        for seed, name in ((1, "x"), (1, "y"), (2, "z"))
    ]
    first, again, other = ((corpus.folder / "tokens.npy").read_bytes() for corpus in made)
    assert first == again != other


def test_a_source_that_ends_is_read_again_in_another_order_and_says_so(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    source, heard = write_text("a", 8, 15), list[Event]()
    with listening(heard.append):
        corpus = make_corpus(of(source, tokens=16 * 24), tokenizer, 0, tmp_path / "corpus", NOTHING)
    rows = [tuple(row) for row in all_tokens(corpus).tolist()]
    passes = [rows[start : start + 8] for start in (0, 8, 16)]
    assert set(passes[0]) == set(passes[1]) == set(passes[2])
    assert passes[0] != passes[1] != passes[2]
    assert [event.fields for event in heard if event.name == "source_started_again"] == [
        {"source": source, "sequences": 8}
    ]
    assert corpus.facts[source] == {"tokens": 384, "times_through": 2, "sequences_dropped": 0}


def test_what_is_there_is_used_again_and_other_settings_make_it_anew(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    source, folder = write_text("a", 40, 20), tmp_path / "corpus"
    make_corpus(of(source), tokenizer, 0, folder, NOTHING)
    made = (folder / "tokens.npy").stat().st_mtime_ns
    make_corpus(of(source), tokenizer, 0, folder, NOTHING)
    assert (folder / "tokens.npy").stat().st_mtime_ns == made
    assert len(make_corpus(of(source, tokens=160), tokenizer, 0, folder, NOTHING)) == 10
    other = make_corpus(of(source, tokens=160), tokenizer, 0, folder, Overlap(["w1 w2"], run=2))
    assert (other.folder / "tokens.npy").stat().st_mtime_ns != made


def test_a_kill_while_writing_leaves_no_corpus_behind(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    def interrupt(event: Event) -> None:
        if event.name == "sequences_packed":
            raise KeyboardInterrupt

    settings, folder = of(write_text("a", 40, 20), tokens=16 * 100), tmp_path / "corpus"
    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        make_corpus(settings, tokenizer, 0, folder, NOTHING)
    assert list(folder.iterdir()) == []
    assert len(make_corpus(settings, tokenizer, 0, folder, NOTHING)) == 100


def test_no_sequence_shares_a_run_of_words_with_the_text_that_judges(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    source = write_text("a", 40, 40)
    judge = Overlap([(Path(source) / f"{number}.txt").read_text() for number in range(10)])
    corpus = make_corpus(of(source, tokens=16 * 120), tokenizer, 0, tmp_path / "corpus", judge)
    texts = tokenizer.batch_decode(all_tokens(corpus), skip_special_tokens=True)
    assert len(texts) == 120
    assert not any(text in judge for text in texts)
    assert corpus.facts[source]["sequences_dropped"] > 0


def test_a_source_that_judges_whole_is_refused(
    write_text: WriteText, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    source = write_text("a", 1, 159)  # ten whole sequences with the end token
    judge = Overlap([(Path(source) / "0.txt").read_text()])
    with pytest.raises(UserError, match=r"all of the source '.*a' stands in the text that the child is judged by"):
        make_corpus(of(source), tokenizer, 0, tmp_path / "corpus", judge)


def test_a_source_without_text_is_refused(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(UserError, match=r"the source '.*empty.txt' holds no text"):
        make_corpus(of(str(tmp_path / "empty.txt")), tokenizer, 0, tmp_path / "corpus", NOTHING)


def test_a_source_that_is_none_is_a_mistake_of_the_settings() -> None:
    with pytest.raises(
        ValidationError, match="'pydocs' is no source of text and names no text file, did you mean 'pydoc'"
    ):
        of("pydocs")


def test_settings_leave_sources_and_length_to_the_recipe() -> None:
    completed = CorpusSettings(tokens=100).completed(("pydoc:topics",), 64)
    assert (completed.sources, completed.length, completed.sequences) == (("pydoc:topics",), 64, 2)
    own = of("pydoc:modules").completed(("pydoc:topics",), 64)
    assert (own.sources, own.length) == (("pydoc:modules",), 16)
