"""FFN fusion on real children: SmolLM2 without 8 and 12 attentions, as it is, fused, and healed.

Beside each stands the comparison of FFN Fusion (arXiv 2503.18908): the same attentions skipped, and as many FFNs
left out as fusion saves in depth, so that both run as many sub-blocks in a row. Both are healed on the same few tokens.

`fusion_children.py 8` takes another number of attentions, or several.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from common import print_table

import blockwright
from blockwright.api import Run
from blockwright.recipes.checking import check_recipe
from blockwright.variants import SubBlock

RECIPE = Path(__file__).with_name("fusion_children.yaml")
SKIPPED, TOKENS = (8, 12), 12_288
HEALING: Mapping[str, object] = {
    "distill": {
        "learning_rate": 3e-4,
        "batch_size": 4,
        "evaluate_every": 6,
        "checkpoint_every": 6,
        "data": {"tokens": TOKENS},
    }
}
FUSION = "ffn-fusion"


def main() -> None:
    rows = [row for count in map(int, sys.argv[1:] or SKIPPED) for row in _children(count)]
    header = ("attentions skipped", "child", "FFNs in a row", "params", "KL(parent‖child), nats/token", "top-1")
    print_table(f"FFN fusion on SmolLM2, unseen text; healing takes {TOKENS:,} tokens", header, rows)


def _children(count: int) -> Iterator[Sequence[object]]:
    sizes = _sizes()
    budget = f"budget.params={sizes.parent - count * sizes.attention}"
    fusing, healing = f"transforms={json.dumps([FUSION])}", f"stages={json.dumps([HEALING])}"
    plain = _run(f"fusion-{count}", budget)
    yield _row(count, "before fusion", plain, sizes.layers)
    fused = _run(f"fusion-{count}", budget, fusing)
    joined = _joined(fused)
    deep = sizes.layers - sum(len(run) - 1 for run in joined)
    yield _row(count, f"fused: {', '.join(f'{run[0]}-{run[-1]}' for run in joined) or 'nothing'}", fused, deep)
    yield _row(count, "fused, healed", _run(f"fusion-{count}", budget, fusing, healing), deep)
    yield from _without_ffns(count, _skipped(plain), sizes.layers - deep)


def _without_ffns(count: int, skipped: Sequence[int], fewer: int) -> Iterator[Sequence[object]]:
    """The same attentions skipped, and as many FFNs as fusion takes out of the row, which the same solver chooses."""
    sizes = _sizes()
    kept = [layer for layer in range(sizes.layers) if layer not in skipped]
    rules = [{"layers": list(skipped), "attention": ["skip"]}, {"layers": kept, "attention": ["keep"]}]
    space = {"attention": ["keep", "skip"], "ffn": ["keep", "skip"], "except": rules}
    budget = sizes.parent - count * sizes.attention - fewer * sizes.ffn
    asked = (f"space={json.dumps(space)}", f"budget.params={budget}")
    name, deep = f"fusion-{count}-removed", sizes.layers - fewer
    yield _row(count, f"{fewer} FFNs left out instead", _run(name, *asked), deep)
    yield _row(count, "left out, healed", _run(name, *asked, f"stages={json.dumps([HEALING])}"), deep)


def _run(name: str, *overrides: str) -> Run:
    return blockwright.run(RECIPE, f"name={name}", *overrides)


def _joined(run: Run) -> Sequence[Sequence[int]]:
    """The layers of each fused FFN."""
    (record,) = run.transforms.values()
    joined = record["joined"]
    assert isinstance(joined, list)
    return [[SubBlock.parse(name).layer for name in members] for members in joined]


def _skipped(run: Run) -> Sequence[int]:
    variants = run.solution.variants
    return [layer for layer in range(_sizes().layers) if variants[f"attention.{layer}"] == "skip"]


def _row(count: int, name: str, run: Run, deep: int) -> Sequence[object]:
    final = run.evaluation["final"]
    assert isinstance(final, dict)
    return count, name, deep, run.graph.params, final["kl_nats_per_token"], final["top1_agreement"]


@dataclass(frozen=True)
class _Sizes:
    """Parameters of the parent, of one attention and of one FFN, and how many layers there are."""

    parent: int
    attention: int
    ffn: int
    layers: int


@cache
def _sizes() -> _Sizes:
    checked = check_recipe(RECIPE)
    resources, whole = checked.prices.resources(), checked.prices.parent["params"]
    attention, ffn = (int(resources[f"{slot}.1"]["keep"]["params"]) for slot in ("attention", "ffn"))
    return _Sizes(int(whole), attention, ffn, checked.parent.layers)


if __name__ == "__main__":
    main()
