"""Time of `highs` to a proven optimum: correlated random problems of 32, 80 and 126 layers, and a front of budgets."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from common import print_table

from blockwright.problem import Choice, Problem, Solution
from blockwright.searching.diverse import front
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver

LAYERS, LIMITS, SEEDS, BUDGETS, GAP = (32, 80, 126), (1, 2, 4), 20, 20, 1e-6
RESOURCES = ("params", "memory", "decode_ms", "prefill_ms")
ATTENTION = (1.0, 0.8, 0.7, 0.65, 0.5, 0.0)  # the share of the parent's cost that each choice keeps; the last skips
FFN = (1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.1, 0.0)
WHOLE = {"attention": (1.5e8, 4e8, 0.05, 2.0), "ffn": (6e8, 1.2e9, 0.11, 5.0)}  # a layer's, by resource


@dataclass(frozen=True)
class Family:
    """How costs come about: `noisy` differs by layer, `as a library` is the same in all layers, as real costs are."""

    name: str
    noise: float


FAMILIES = (Family("noisy", 0.1), Family("as a library", 0.0))


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    rows = [
        _row(family, layers, limits, [_timed(problem(family, layers, limits, seed)) for seed in range(seeds)])
        for family in FAMILIES
        for layers in LAYERS
        for limits in LIMITS
    ]
    header = ("costs", "layers", "limits", "median s", "most s", "median CPU s", "most CPU s", "most nodes", "most gap")
    print_table(f"Time to a proven optimum (gap ≤ {GAP:g}), {seeds} seeds", header, rows)
    print_table(
        f"A front of {BUDGETS} budgets at 80 layers",
        ("costs", "limits", "s", "CPU s", "proven"),
        [_front_row(family, limits) for family in FAMILIES for limits in LIMITS],
    )


def problem(family: Family, layers: int, limits: int, seed: int) -> Problem:
    """Choices that lose more the less they cost, as in real libraries, and limits that all bind."""
    draw = random.Random(seed)
    choices: dict[str, tuple[Choice, ...]] = {}
    for layer in range(layers):
        for slot, shares in (("attention", ATTENTION), ("ffn", FFN)):
            choices[f"{slot}.{layer}"] = _choices(draw, family, WHOLE[slot], shares)
    return Problem(choices, _limits(draw, choices, RESOURCES[:limits]))


def _limits(draw: random.Random, choices: Mapping[str, Sequence[Choice]], names: Sequence[str]) -> dict[str, float]:
    """A little less than takes the child that is best at random prices of the resources, so that no limit is idle."""
    price = 0.05 * len(choices) / 2 * draw.uniform(0.3, 1.5) / len(names)
    prices = {name: price * draw.uniform(0.5, 1.5) / total for name, total in _whole(choices).items() if name in names}
    taken = [min(options, key=lambda choice: _priced(choice, prices)) for options in choices.values()]
    return {name: sum(one.costs[name] for one in taken) * draw.uniform(0.997, 1.0) for name in names}


def _priced(choice: Choice, prices: Mapping[str, float]) -> float:
    return choice.score + sum(price * choice.costs[name] for name, price in prices.items())


def _whole(choices: Mapping[str, Sequence[Choice]]) -> dict[str, float]:
    """What the parent takes."""
    return {name: sum(options[0].costs[name] for options in choices.values()) for name in RESOURCES}


def _choices(
    draw: random.Random, family: Family, whole: Sequence[float], shares: Sequence[float]
) -> tuple[Choice, ...]:
    """A layer's own weight times a convex loss of the share that is gone; each figure with its own noise."""
    weight = 0.05 * draw.lognormvariate(0, 1)
    return tuple(
        Choice(f"share={share}", _score(draw, weight, share), _costs(draw, family, whole, share)) for share in shares
    )


def _score(draw: random.Random, weight: float, share: float) -> float:
    return weight * (1 - share) ** 1.5 * draw.lognormvariate(0, 0.3)


def _costs(draw: random.Random, family: Family, whole: Sequence[float], share: float) -> dict[str, float]:
    """Parameters and bytes are whole numbers and times are not; times have a part that no narrowing takes away."""
    params, memory, decode, prefill = (part * share * draw.lognormvariate(0, family.noise) for part in whole)
    overhead = 0.1 if share else 0.0
    times = {"decode_ms": decode + overhead * whole[2], "prefill_ms": prefill + overhead * whole[3]}
    return {"params": float(round(params)), "memory": float(round(memory)), **times}


def _clocked(work: Callable[[], Sequence[Solution]]) -> tuple[float, float, Sequence[Solution]]:
    """Wall seconds and this process' CPU seconds; the machine may be shared."""
    wall, cpu = time.perf_counter(), time.process_time()
    solutions = work()
    return time.perf_counter() - wall, time.process_time() - cpu, solutions


def _timed(problem: Problem) -> tuple[float, float, Solution]:
    wall, cpu, [solution] = _clocked(lambda: [_solver().solve(problem)])
    return wall, cpu, solution


def _solver() -> HighsSolver:
    return HighsSolver(HighsOptions(mip_gap=GAP))


def _row(family: Family, layers: int, limits: int, timed: Sequence[tuple[float, float, Solution]]) -> Sequence[object]:
    walls, cpus, solutions = zip(*timed, strict=True)
    seconds = (statistics.median(walls), max(walls), statistics.median(cpus), max(cpus))
    proof = (max(one.nodes for one in solutions), max(one.gap for one in solutions))
    return (family.name, layers, limits, *seconds, *proof)


def _front_row(family: Family, limits: int) -> Sequence[object]:
    base = problem(family, 80, limits, seed=0)
    wall, cpu, solutions = _clocked(lambda: _solved(base, _budgets(base)))
    proven = sum(solution.status == "optimal" and solution.gap <= GAP for solution in solutions)
    return family.name, limits, wall, cpu, f"{proven} of {BUDGETS}"


def _budgets(base: Problem) -> Sequence[Mapping[str, float]]:
    """From 45 % to 95 % of the parent, in equal steps."""
    shares = [0.45 + 0.5 * step / (BUDGETS - 1) for step in range(BUDGETS)]
    whole = _whole(base.choices)
    return [{name: share * whole[name] for name in base.limits} for share in shares]


def _solved(base: Problem, budgets: Sequence[Mapping[str, float]]) -> Sequence[Solution]:
    answers = front(base, _solver(), budgets)
    return [answer for answer in answers if isinstance(answer, Solution)]


if __name__ == "__main__":
    main()
