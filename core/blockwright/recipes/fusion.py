"""Whether a recipe that lets its search join FFNs has all that this needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blockwright.problem import Solver
from blockwright.recipes.mistakes import Mistake
from blockwright.searching.fusing import Fusion
from blockwright.transforms import JoinLimits, Transform


def join_limits_of(fusion: Fusion, transforms: Sequence[Transform]) -> JoinLimits | None:
    """Those of the transform that makes the joins; None where the search chooses none."""
    limits = [transform.join_limits for transform in transforms]
    return next(filter(None, limits), None) if fusion != "off" else None


def fusion_mistakes(fusion: Fusion, solver: Solver, transforms: Sequence[Transform]) -> Iterator[Mistake]:
    """Joins that nobody chooses, that nobody makes, or that are made of another child than the search's."""
    places = [place for place, transform in enumerate(transforms) if transform.join_limits is not None]
    if fusion == "off":
        for place in places:
            at = ("transforms", place, transforms[place].name)
            yield Mistake(at, "`joins: search` makes what the search joins; add `search: {fusion: joint}`")
        return
    if places != [0]:
        first = "add `transforms: [ffn-fusion: {joins: search}]`, as the first one and once"
        yield Mistake(("search", "fusion"), f"'{fusion}' chooses joins that a transform must make; {first}")
    missing = sorted({"joins", "forced"} - solver.supports)
    if missing:
        lacking = f"'{solver.name}' does not support {', '.join(missing)}, which `search.fusion` needs"
        yield Mistake(("solver", "name"), f"{lacking}; choose a solver that does")
