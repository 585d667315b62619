"""Pages of the site that are made when it is built: the command line, the recipe, and texts from beside docs/.

A hook of MkDocs (`hooks` in mkdocs.yml). Nothing is written into docs/; every made page says what it was made from.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import relpath

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
_LINK = re.compile(r"(\]\()(\.\./[^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the made pages; one that is there already as a file is a mistake of ours that MkDocs would not tell."""
    pages = {place: make() for place, make in MADE.items()}
    pages |= {place: (ROOT / text).read_text(encoding="utf-8") for text, place in TEXTS.items()}
    for place, content in pages.items():
        assert files.get_file_from_path(place) is None, f"docs/{place} is made by tools/docs; remove the file"
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links from docs/ to texts beside it, as they stand for readers of the repository, lead to their pages here."""
    here = Path("docs", page.file.src_uri).parent

    def to_the_page(link: re.Match[str]) -> str:
        target = Path(relpath((here / link[2]).as_posix(), ".")).as_posix()
        known = TEXTS.get(target)
        return link[1] + (relpath(known, Path(page.file.src_uri).parent.as_posix()) if known else link[2])

    return _LINK.sub(to_the_page, markdown)
