"""Links of the repository's texts, as the site has them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

Rewrite = Callable[[str, str], str]


@pytest.fixture
def rewritten(monkeypatch: pytest.MonkeyPatch) -> Rewrite:
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "tools" / "docs")
    pages = importlib.import_module("pages")
    return lambda place, text: pages.on_page_markdown(text, SimpleNamespace(file=SimpleNamespace(src_uri=place)), 0, 0)


@pytest.mark.parametrize(
    ("place", "written", "shown"),
    [
        ("how-to/report.md", "[r](../../benchmarks/RESULTS.md#a)", "[r](../results.md#a)"),
        ("recipes.md", "[c](../docs/clusters.md)", "[c](clusters.md)"),
        ("how-to/report.md", "[t](../training.md) [e](https://a.b)", "[t](../training.md) [e](https://a.b)"),
    ],
)
def test_a_link_leads_to_the_page_that_a_text_has(rewritten: Rewrite, place: str, written: str, shown: str) -> None:
    assert rewritten(place, written) == shown


def test_a_file_that_is_no_page_is_told_by_its_path(rewritten: Rewrite) -> None:
    assert rewritten("exports.md", "[laptop](../examples/laptop.yaml)") == "laptop (`examples/laptop.yaml`)"


def test_a_link_to_nothing_stays_for_the_build_to_refuse(rewritten: Rewrite) -> None:
    assert rewritten("exports.md", "[x](../nothing.py)") == "[x](../nothing.py)"
