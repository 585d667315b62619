"""Dry runs (`parent.weights: false`): what a recipe may ask of a parent without its weights, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator

from blockwright.recipes.mistakes import Mistake
from blockwright.recipes.recipe import Recipe
from blockwright.scoring import Scorer


def dry_run_mistakes(recipe: Recipe, scorer: Scorer) -> Iterator[Mistake]:
    """Scores and joins that only weights can tell."""
    if recipe.parent.weights:
        return
    if scorer.needs_weights:
        yield Mistake(
            ("scorer", "name"),
            f"'{scorer.name}' needs the parent's weights, which `parent.weights: false` leaves out; write "
            "scorer.name=guessed for invented scores, or scorer.name=stored scorer.folder=FOLDER for shared ones",
        )
    if recipe.search.fusion != "off":
        yield Mistake(("search", "fusion"), "joins are scored on weights; add search.fusion=off transforms=[]")


def dry_run_lines(recipe: Recipe, scorer: Scorer) -> list[str]:
    """What is left out, and what the scores are worth; nothing of an ordinary run."""
    if recipe.parent.weights:
        return []
    later = [*recipe.transform_sections, *recipe.stage_sections, *recipe.export_sections]
    left_out = ["the library", "looking at real children", "the build", *(name for name, _ in later), "the evaluation"]
    lines = [
        f"Dry run: the parent's weights are left out (parent.weights: false), and with them {', '.join(left_out)}."
    ]
    if scorer.guesses:
        lines.append(f"The scores of '{scorer.name}' are invented, nothing is measured: the child shows what fits.")
    else:
        lines.append(f"The scores of '{scorer.name}' were made elsewhere; that they are this parent's is not checked.")
    return lines
