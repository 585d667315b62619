"""Baselines, one MIP on sums, and what the search adds to it: SmolLM2 at three budgets, two seeds of calibration.

Every contender draws on the same refitted library of `puzzle`; a library of plainly sliced FFNs stands beside it.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from common import print_table

from blockwright.comparing.contenders import contenders
from blockwright.comparing.outcomes import Comparison, Outcome
from blockwright.construction import SubBlockContext
from blockwright.plugins import installed_plugins
from blockwright.recipes.checking import CheckedRecipe, check_recipe
from blockwright.variants import ParentRows, VariantSpec, Weights
from blockwright_plugins.variants.narrow import NarrowFFN

RECIPE, OUT = Path("benchmarks/compare.yaml"), Path("runs/compare-outcomes.csv")
BUDGETS, SEEDS = ("80%", "70%", "60%"), (0, 1)
BASELINES = ("uniform", "random", "greedy", "max-params", "depth", "attention-drop")
OURS = ("highs", "highs+children", "highs+children+rounds", "optuna")
SLICED = "highs on plainly sliced FFNs"
PLAIN_SPACE = (
    "{attention: [keep, skip], ffn: [keep, narrow: 87%, narrow: 75%, narrow: 50%, narrow: 25%, narrow: 10%, skip]}"
)
Key = tuple[str, str, int]  # contender, budget, seed


class SlicedFFN(NarrowFFN):
    """Keeps the loudest channels (RMS activation × norm of the down column) as they are: no refit."""

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        down = context.weights["down_proj.weight"]
        loudness = context.statistics.features.diagonal().sqrt() * down.double().norm(dim=0)
        order = loudness.argsort(descending=True)
        return {spec: self._sliced(order[: int(spec.option("width"))].sort().values, context) for spec in specs}

    @staticmethod
    def _sliced(kept, context: SubBlockContext) -> Weights:  # type: ignore[no-untyped-def]
        rows = {name: ParentRows(name, kept) for name in context.weights if name.startswith(("gate_proj", "up_proj"))}
        return {**rows, "down_proj.weight": context.weights["down_proj.weight"][:, kept].contiguous()}


def main() -> None:
    outcomes: dict[Key, Outcome] = {}
    for seed, budget, names in _plan():
        checked = check_recipe(RECIPE, [f"seed={seed}", f"name=compare-{seed}", f"budget.params={budget}"])
        _measure(checked, names, budget, seed, outcomes)
    _measure_sliced(outcomes)
    for budget in BUDGETS:
        rows = [_row(name, budget, outcomes) for name in (SLICED, *BASELINES, *OURS)]
        header = (
            "contender",
            *(f"KL, seed {seed}" for seed in SEEDS),
            "mean",
            "spread",
            "top-1",
            "realised / predicted",
            "s",
        )
        print_table(f"SmolLM2 at {budget} of its parameters: KL(parent‖child) on unseen text", header, rows)


def _plan() -> Iterator[tuple[int, str, Sequence[str]]]:
    """Both seeds where seeds are compared; the dear ones last, so that a run cut short leaves whole tables."""
    for names in (("uniform", "greedy", "highs"), OURS[2:3]):
        for seed in SEEDS:
            for budget in BUDGETS:
                yield seed, budget, names
    for names in (("max-params", "depth", "attention-drop", "random"), OURS[1:2], OURS[3:]):
        for budget in BUDGETS:
            yield SEEDS[0], budget, names


def _measure(
    checked: CheckedRecipe, names: Sequence[str], budget: str, seed: int, outcomes: dict[Key, Outcome]
) -> None:
    comparison = Comparison(checked)
    for contender in contenders(names, checked.recipe, checked.plugins):
        outcomes[contender.name, budget, seed] = comparison.outcome(contender)
        _write(outcomes)


def _measure_sliced(outcomes: dict[Key, Outcome]) -> None:
    """Last, since it changes what `narrow` builds in this process."""
    variants = dict(installed_plugins().variants)
    variants["ffn", "narrow"] = SlicedFFN()
    installed_plugins().__dict__["variants"] = variants
    for budget in BUDGETS:
        overrides = ["name=compare-sliced", f"space={PLAIN_SPACE}", f"budget.params={budget}"]
        found: dict[Key, Outcome] = {}
        _measure(check_recipe(RECIPE, overrides), ["highs"], budget, SEEDS[0], found)
        outcomes[SLICED, budget, SEEDS[0]] = found["highs", budget, SEEDS[0]]
        _write(outcomes)


def _row(name: str, budget: str, outcomes: Mapping[Key, Outcome]) -> tuple[object, ...]:
    found = [outcomes.get((name, budget, seed)) for seed in SEEDS]
    kls = [one.kl_nats_per_token for one in found if one and one.kl_nats_per_token is not None]
    told = [one.kl_nats_per_token if one and one.kl_nats_per_token is not None else "none" for one in found]
    if not kls:
        return name, *told, "", "", "", "", ""
    first = next(one for one in found if one and one.kl_nats_per_token is not None)
    ratio = first.realised / first.predicted if first.realised and first.predicted else ""
    spread = max(kls) - min(kls)
    return name, *told, statistics.mean(kls), spread, first.top1_agreement or "", ratio, first.seconds or ""


def _write(outcomes: Mapping[Key, Outcome]) -> None:
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["contender", "budget", "seed", "predicted", "realised", "kl", "top1", "params", "seconds", "failed"]
        )
        for (name, budget, seed), one in outcomes.items():
            params = (one.costs or {}).get("params", "")
            figures = (one.predicted, one.realised, one.kl_nats_per_token, one.top1_agreement, params, one.seconds)
            writer.writerow([name, budget, seed, *figures, one.failed])


if __name__ == "__main__":
    main()
