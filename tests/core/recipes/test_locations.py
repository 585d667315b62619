"""YAML is read with its lines, and whatever is wrong with it is one line for the person who wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.recipes.locations import LONGEST_TEXT, line_of, load_yaml, read_yaml

TEXT = """\
# a comment
name: tiny
stages:
  - refit
  - distill:
      steps: 3
space: {attention: [keep,
                    skip], 7: x}
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("name",), 2),
        (("stages", 0), 4),
        (("stages", 1, "distill", "steps"), 6),
        (("stages", "1", "distill"), 5),
        (("space", "attention", 1), 8),
        (("space", 7), 8),
    ],
)
def test_a_key_path_has_the_line_it_was_written_on(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, path) == line


def test_a_key_that_is_missing_has_the_line_of_what_should_hold_it() -> None:
    assert line_of(TEXT, ("stages", 1, "distill", "rate")) == 5
    assert line_of(TEXT, ("budget",)) == 1


def test_text_that_is_no_yaml_has_one_line_only() -> None:
    assert line_of("a: [", ("a", 0)) == 1


def test_plain_data_comes_back() -> None:
    assert load_yaml(TEXT, "recipe.yaml") == {
        "name": "tiny",
        "stages": ["refit", {"distill": {"steps": 3}}],
        "space": {"attention": ["keep", "skip"], 7: "x"},
    }
    assert load_yaml("", "recipe.yaml") is None
    assert load_yaml("a: &x [1]\nb: *x\n", "recipe.yaml") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\nparent: {model: [\n", "recipe.yaml:3: is no YAML: "),
        ("a: 1\n--- \nb: 2\n", "recipe.yaml:2: is no YAML: but found another document"),
        ("a: 1\nb: 2\na: 3\n", "recipe.yaml:3: the key 'a' is written twice"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", "recipe.yaml:2: is no YAML: could not determine"),
        ("a: 1\n[1]: 2\n", "recipe.yaml:2: is no YAML: found unhashable key"),
        ("x: &x\n  y: *x\n", "recipe.yaml:1: an alias stands inside what it names"),
        (BOMB, "recipe.yaml:5: holds more than 50,000 values once its aliases are filled in"),
        ("[" * 5000, "recipe.yaml:1: is nested more than 40 levels deep"),
        ("x" * (LONGEST_TEXT + 1), "recipe.yaml:1: has 262,145 characters; a file of at most 262,144 is read"),
        ("day: 2024-99-99\n", "recipe.yaml:1: is no YAML: month must be in 1..12"),
        ("a: \x07\n", "recipe.yaml:1: is no YAML: "),
    ],
)
def test_what_cannot_be_read_is_told_with_file_and_line(text: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        load_yaml(text, "recipe.yaml")
    [line] = caught.value.lines
    assert line.startswith(told)
    assert "\n" not in line


def test_files_that_are_missing_folders_or_binary_are_told(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    for name, told in (
        ("none.yaml", "there is no such file"),
        ("", "is no plain file"),
        ("binary.yaml", "is not UTF-8"),
    ):
        with pytest.raises(UserError, match=told):
            read_yaml(tmp_path / name)
