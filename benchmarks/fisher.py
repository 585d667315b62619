"""`fisher` against `replace-one-block` on the whole library of SmolLM2: rank correlation and CPU time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from common import print_table
from smollm2 import FOLDER, open_smollm2, space_of

from blockwright.building.library import build_library
from blockwright.construction import LibrarySettings
from blockwright.library import Library
from blockwright.parent import Parent
from blockwright.plugins import installed_plugins
from blockwright.scoring import ScoreContext, Scores
from blockwright.text.sets import TextSettings, load_tokens
from blockwright.variants import SubBlock

TOKENS = 1024
TEXT = TextSettings(
    calibration=("pydoc:modules",), evaluation=("pydoc:topics",), calibration_tokens=16384, scoring_tokens=TOKENS
)


def main() -> None:
    parent, plugins = open_smollm2(), installed_plugins()
    tokens = load_tokens(TEXT, parent.tokenizer(), seed=0)
    settings = LibrarySettings(gradient_tokens=2048)
    folder = FOLDER / "fisher-library"
    library = build_library(parent, space_of("puzzle", parent), plugins.variants, tokens, settings, folder, seed=0)
    exact, exact_seconds = _timed(parent, library, tokens["scoring"], "replace-one-block")
    rows = [("replace-one-block", 1.0, exact_seconds, 1.0)]
    for samples in (2, 8):
        scores, seconds = _timed(parent, library, tokens["scoring"], "fisher", samples=samples)
        rows.append((f"fisher, {samples} samples", _spearman(exact, scores), seconds, exact_seconds / seconds))
    title = f"Scorers on all {len(_pairs(exact, exact))} replacements of SmolLM2's `puzzle` library, {TOKENS} tokens"
    print_table(title, ("scorer", "Spearman with exact", "CPU seconds", "times less"), rows)


def _timed(
    parent: Parent, library: Library, tokens: torch.Tensor, name: str, **options: int
) -> tuple[Mapping[SubBlock, Scores], float]:
    plugins = installed_plugins()
    scorer = plugins.scorer(name)
    context = ScoreContext(parent, library, plugins.variants, tokens, Path(), seed=0)
    start = time.process_time()
    scores = dict(scorer(scorer.Options(**options)).score(context))
    return scores, time.process_time() - start


def _pairs(first: Mapping[SubBlock, Scores], second: Mapping[SubBlock, Scores]) -> list[tuple[float, float]]:
    """Both scores of every variant but `keep`."""
    return [
        (score, second[sub_block][label])
        for sub_block, scores in first.items()
        for label, score in scores.items()
        if label != "keep"
    ]


def _spearman(first: Mapping[SubBlock, Scores], second: Mapping[SubBlock, Scores]) -> float:
    ranks = torch.tensor(_pairs(first, second), dtype=torch.float64).argsort(dim=0).argsort(dim=0).double()
    return float(torch.corrcoef(ranks.T)[0, 1])


if __name__ == "__main__":
    main()
