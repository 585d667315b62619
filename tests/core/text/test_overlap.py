"""Runs of words that two texts share."""

from hypothesis import given
from hypothesis import strategies as st

from blockwright.text.overlap import Overlap

WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=0, max_size=30)


def test_thirteen_words_in_a_row_are_an_overlap_and_twelve_are_none() -> None:
    words = [f"word{number}" for number in range(20)]
    overlap = Overlap([" ".join(words)])
    assert " ".join(["before", *words[3:16], "after"]) in overlap
    assert " ".join(["before", *words[3:15], "after"]) not in overlap


def test_case_and_punctuation_do_not_hide_an_overlap() -> None:
    assert "One, TWO; (three)!" in Overlap(["one two three"], run=3)


def test_without_counts_what_it_drops() -> None:
    overlap = Overlap(["one two three"], run=2)
    assert list(overlap.without(["two one", "one two", "two three"], str)) == ["two one"]
    assert overlap.dropped == 2


def test_two_overlaps_together_keep_their_own_lengths_of_run() -> None:
    both = Overlap(["a b c d e f"], run=3) | Overlap(["u v w x y z"], run=5)
    assert "x a b c x" in both
    assert "a u v w x a" not in both
    assert "a u v w x y" in both
    assert both.fingerprint == (Overlap(["u v w x y z"], run=5) | Overlap(["a b c d e f"], run=3)).fingerprint
    assert both.fingerprint != Overlap(["a b c d e f"], run=3).fingerprint


@given(WORDS, WORDS)
def test_overlap_is_what_a_search_of_all_places_finds(first: list[str], second: list[str]) -> None:
    places = {tuple(first[start : start + 3]) for start in range(len(first) - 2)}
    expected = any(tuple(second[start : start + 3]) in places for start in range(len(second) - 2))
    assert (" ".join(second) in Overlap([" ".join(first)], run=3)) == expected
