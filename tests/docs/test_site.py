"""The documentation builds without a warning and without the network, and nothing that it should have is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import typer.main

from blockwright import hookspecs
from blockwright.cli import app
from blockwright.plugins import installed_plugins
from blockwright.recipes.schema import recipe_schema

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MADE = {"reference/cli.md", "reference/recipe.md", "reference/recipe.schema.json"}  # by tools/docs, for the site alone
OFFLINE = {"NO_MKDOCS_2_WARNING": "1", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, every warning an error: a broken link, a page in no menu, a name that no docstring has."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **OFFLINE}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_a_reader_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']?((?:https?:)?//[^"'> ]+)""")
    elsewhere = {found for page in site.rglob("*.html") for found in fetched.findall(page.read_text())}
    assert elsewhere == set()


def test_every_command_is_on_its_page(site: Path) -> None:
    page = unescape((site / "reference/cli.html").read_text())
    for name in _commands(typer.main.get_command(app), "blockwright"):
        assert f">{name}<" in page, name


def _commands(group: object, name: str) -> Iterator[str]:
    for word, command in getattr(group, "commands", {}).items():
        yield f"{name} {word}"
        yield from _commands(command, f"{name} {word}")


def test_every_key_that_a_recipe_may_have_is_on_its_page(site: Path) -> None:
    page = (site / "reference/recipe.html").read_text()
    schema = recipe_schema(installed_plugins())
    for node in (schema, *schema["$defs"].values()):
        for key in node.get("properties", {}):
            assert f"<td><code>{key}</code></td>" in page, key


def test_every_hook_and_the_class_that_it_returns_are_on_the_authors_page(site: Path) -> None:
    page = (site / "reference/plugins.html").read_text()
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, "blockwright_spec"):
            assert f'id="blockwright.hookspecs.{name}"' in page, name
    assert ":class:" not in page


def test_every_rule_of_the_contracts_is_on_its_page(site: Path) -> None:
    from blockwright.contracts.checking import CONTRACTS, rules_of

    page = (site / "reference/contracts.html").read_text()
    for kind in CONTRACTS:
        for rule in rules_of(kind):
            assert f'id="{rule.__module__}.{rule.__name__}"' in page, rule.__name__


def test_the_schema_of_recipes_comes_with_the_site(site: Path) -> None:
    assert '"$schema"' in (site / "reference/recipe.schema.json").read_text()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere_for_readers_of_the_repository_too(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
        place = (page.parent / target).resolve()
        assert place.exists() or place.relative_to(DOCS).as_posix() in MADE, target


def test_every_section_of_the_figures_that_is_cited_is_there() -> None:
    sections = set(re.findall(r"^## (\d+)\. ", (ROOT / "benchmarks" / "RESULTS.md").read_text(), flags=re.MULTILINE))
    cited = {
        (page.name, number)
        for page in DOCS.rglob("*.md")
        for number in re.findall(r"section (\d+)\]\([^)]*RESULTS\.md\)", " ".join(page.read_text().split()))
    }
    assert len(cited) > 10
    assert {number for _, number in cited} <= sections
