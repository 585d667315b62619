"""Pages of the site that are made when it is built: the command line, the recipe, and texts from beside docs/.

A hook of MkDocs (`hooks` in mkdocs.yml). Nothing is written into docs/; every made page says what it was made from.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

import commands
import recipe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

MADE = {
    "reference/cli.md": commands.page,
    "reference/recipe.md": recipe.page,
    "reference/recipe.schema.json": recipe.schema,
}
TEXTS = {  # of the repository, by their pages on the site
    "benchmarks/RESULTS.md": "results.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "recipes/README.md": "recipes.md",
}
ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#|/)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the made pages; one that is there already as a file is a mistake of ours that MkDocs would not tell."""
    pages = {place: make() for place, make in MADE.items()}
    pages |= {place: (ROOT / text).read_text(encoding="utf-8") for text, place in TEXTS.items()}
    for place, content in pages.items():
        assert files.get_file_from_path(place) is None, f"docs/{place} is made by tools/docs; remove the file"
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they stand for readers of the repository lead to pages of the site, where there is one."""
    place = page.file.src_uri
    here = next((text for text, made in TEXTS.items() if made == place), f"docs/{place}")

    def on_the_site(link: re.Match[str]) -> str:
        words, target, anchor = link[1], normpath(f"{dirname(here)}/{link[2]}").lstrip("/"), link[3] or ""
        known = TEXTS.get(target, target.removeprefix("docs/"))
        if target in TEXTS or target.startswith("docs/"):
            return f"[{words}]({relpath(known, dirname(place) or '.')}{anchor})"
        there = (ROOT / target).exists()  # a file of the repository that is no page
        return f"{words} (`{target}`)" if there and target not in words else words if there else link[0]

    return _LINK.sub(on_the_site, markdown)
