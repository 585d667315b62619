"""What every scorer must do. A rule takes a scorer and lets it score the library of a tiny parent."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from blockwright.contracts.holding import contents, must
from blockwright.contracts.small_world import (
    installed_variants,
    scratch,
    small_library,
    small_parent,
    small_tokens,
)
from blockwright.scoring import ScoreContext, Scorer, Scores
from blockwright.variants import SubBlock

Scored = tuple[tuple[SubBlock, Scores], ...]


def scorer_scores_every_sub_block_once(scorer: Scorer) -> None:
    """All of the parent's, in any order."""
    found = [sub_block for sub_block, _ in _scored(scorer)]
    must(len(found) == len(set(found)), scorer.name, "scored a sub-block twice")
    missing = sorted(set(map(str, small_parent().sub_blocks())) - set(map(str, found)))
    must(not missing, scorer.name, f"scored no {', '.join(missing)}")


def scorer_scores_every_variant(scorer: Scorer) -> None:
    """Those that the library holds, by their labels, and no others."""
    for sub_block, scores in _scored(scorer):
        labels = {spec.label for spec in small_library().variants(sub_block)}
        must(set(scores) == labels, scorer.name, f"scored {sorted(scores)} of {sub_block}, which has {sorted(labels)}")


def scorer_finds_no_loss_in_keeping(scorer: Scorer) -> None:
    """`keep` is 0: it is the parent itself."""
    for sub_block, scores in _scored(scorer):
        must(scores["keep"] == 0, scorer.name, f"gave `keep` of {sub_block} a score of {scores['keep']!r}")


def scorer_answers_in_numbers(scorer: Scorer) -> None:
    """Finite ones."""
    for sub_block, scores in _scored(scorer):
        wrong = {label: score for label, score in scores.items() if not math.isfinite(score)}
        must(not wrong, scorer.name, f"gave scores that are no numbers: {wrong} of {sub_block}")


def scorer_in_nats_finds_a_loss(scorer: Scorer) -> None:
    """Scores in nats are divergences: none is negative, and skipping all parts of a model loses something."""
    if not scorer.in_nats:
        return
    least = min(score for _, scores in _scored(scorer) for score in scores.values())
    must(
        least >= -1e-9, scorer.name, f"gave a score of {least!r} nats; a divergence is not negative (in_nats = False?)"
    )
    skipping = sum(scores["skip"] for _, scores in _scored(scorer))
    must(skipping > 0, scorer.name, "found no loss in skipping every part of a model")


def scorer_passes_over_what_is_scored(scorer: Scorer) -> None:
    """After a kill it goes on with the sub-blocks that have no scores yet."""
    done = frozenset(small_parent().sub_blocks()[:2])
    again = {sub_block for sub_block, _ in scorer.score(_context(done))}
    must(not again & done, scorer.name, f"scored {sorted(map(str, again & done))} again, whose scores are stored")
    rest = set(small_parent().sub_blocks()) - done
    must(again == rest, scorer.name, f"scored {sorted(map(str, again))} where {sorted(map(str, rest))} were left")


def scorer_answers_alike_when_asked_again(scorer: Scorer) -> None:
    """Equal seeds, equal scores."""
    first, second = dict(_scored(scorer)), dict(scorer.score(_context()))
    must(first == second, scorer.name, "gave other scores for the same seed")


def scorer_changes_nothing(scorer: Scorer) -> None:
    """Neither the parent nor the library; its own folder is its to write into."""
    folders = (small_parent().directory, small_library().directory)
    before = [contents(folder) for folder in folders]
    list(scorer.score(_context()))
    after = [contents(folder) for folder in folders]
    must(before == after, scorer.name, "wrote into the folder of the parent or of the library")


def _context(scored: frozenset[SubBlock] = frozenset()) -> ScoreContext:
    tokens, variants = small_tokens()["scoring"], installed_variants()
    return ScoreContext(small_parent(), small_library(), variants, tokens, scratch("scores"), 0, scored)


def _scored(scorer: Scorer) -> Scored:
    """Once for all rules."""
    return _scored_by(type(scorer), scorer.options.model_dump_json())


@cache
def _scored_by(kind: type[Scorer], options: str) -> Scored:
    return tuple(kind(kind.Options.model_validate_json(options)).score(_context()))


SCORER_CONTRACT: tuple[Callable[[Scorer], None], ...] = (
    scorer_scores_every_sub_block_once,
    scorer_scores_every_variant,
    scorer_finds_no_loss_in_keeping,
    scorer_answers_in_numbers,
    scorer_in_nats_finds_a_loss,
    scorer_passes_over_what_is_scored,
    scorer_answers_alike_when_asked_again,
    scorer_changes_nothing,
)
"""All rules, to parametrize over."""
