"""Examples of the documentation are what they look like: recipes' sections fit the schema, Python runs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from blockwright.parent import Parent
from blockwright.plugins import installed_plugins
from blockwright.recipes.recipe import Recipe
from blockwright.recipes.schema import recipe_schema

DOCS = Path(__file__).parents[2] / "docs"
REST: dict[str, object] = {  # of a recipe, beside the section that a page shows
    "name": "shown",
    "parent": {"model": "parent"},
    "text": {"calibration": ["pydoc:modules"], "evaluation": ["pydoc:topics"]},
    "budget": {"params": "80%"},
}


def _blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^([ ]*)```{language}\n(.*?)^\1```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def _sections() -> Iterator[tuple[str, dict[str, Any]]]:
    for page in sorted(DOCS.rglob("*.md")):
        for number, block in enumerate(_blocks(page, "yaml")):
            shown = yaml.safe_load(block)
            if isinstance(shown, list):  # some stages of many
                shown = {"stages": shown}
            if set(shown) <= set(Recipe.model_fields):
                yield f"{page.relative_to(DOCS).as_posix()} {number}", shown


SECTIONS = dict(_sections())


@cache
def _validator() -> Any:
    return pytest.importorskip("jsonschema").Draft202012Validator(recipe_schema(installed_plugins()))


@pytest.mark.parametrize("shown", SECTIONS.values(), ids=SECTIONS.keys())
def test_a_shown_section_is_one_that_a_recipe_may_have(shown: dict[str, Any]) -> None:
    mistakes = [error.message for error in _validator().iter_errors(REST | shown)]
    assert mistakes == []


def test_sections_are_shown_on_many_pages() -> None:
    assert len({name.split()[0] for name in SECTIONS}) >= 5


def test_the_shown_search_space_is_one() -> None:
    [space] = _blocks(DOCS / "how-to" / "search-space.md", "yaml")
    mistakes = [error.message for error in _validator().iter_errors(REST | {"space": yaml.safe_load(space)})]
    assert mistakes == []


def test_the_python_of_the_page_on_hardware_runs(
    parent: Parent, tmp_path: Path, run_with_measurements: Callable[[str, Path], dict[str, Any]]
) -> None:
    names = run_with_measurements("\n".join(_blocks(DOCS / "how-to" / "hardware.md", "python")), parent.directory)
    assert (tmp_path / "mine.yaml").is_file()
    assert names["whole"].tpot_ms > 0
