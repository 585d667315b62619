"""Python's own documentation as text."""

from __future__ import annotations

import os
import sys

import pytest

from blockwright.errors import UserError
from blockwright.text.sources import documents, python_docs
from blockwright.text.sources.reading import Reading

RENDERED = ["cgi" if sys.version_info < (3, 13) else "shlex", "os", "json", "antigravity_that_is_not_there"]


def test_topics_are_the_language_reference(reading: Reading) -> None:
    texts = list(documents("pydoc:topics", reading))
    assert len(texts) > 50
    assert any("augmented assignment" in text.lower() for text in texts)


def test_modules_are_rendered_as_plain_text_and_absent_ones_are_left_out() -> None:
    _, _, json_text = python_docs._rendered(RENDERED)
    assert json_text.startswith("NAME\n    json")
    assert "Serialize ``obj`` to a JSON formatted ``str``" in json_text


def test_nothing_of_the_machine_is_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKWRIGHT_SECRET", "do-not-learn-me")
    text = "".join(python_docs._rendered(RENDERED))
    assert "do-not-learn-me" not in text
    assert os.fspath(sys.executable) not in text
    assert " at 0x" not in text


def test_no_module_is_imported_here(reading: Reading) -> None:
    before = set(sys.modules)
    next(documents("pydoc:modules", reading))
    assert {name for name in set(sys.modules) - before if not name.startswith("_")} == set()


def test_an_unknown_kind_of_documentation_is_refused(reading: Reading) -> None:
    with pytest.raises(UserError, match="pydoc has no 'module', did you mean 'modules'"):
        documents("pydoc:module", reading)
