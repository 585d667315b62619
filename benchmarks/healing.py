"""What healing gives back: SmolLM2 at two sizes, after the search, block distillation and GKD on more and more text.

And what the parts of GKD's loss are worth, on one child and the same tokens.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common import print_table

import blockwright
from blockwright.api import Run
from blockwright.child.checkpoint import open_child
from blockwright.models.evaluation import Evaluation, evaluate

RECIPE = Path(__file__).with_name("healing.yaml")
TOKENS = {"80%": (25_000, 50_000), "60%": (25_000, 50_000)}
BLOCKS = {"block-distill": {"tokens": 98304}}
TRAINING: Mapping[str, object] = {"learning_rate": 5e-5, "batch_size": 4, "evaluate_every": 6, "checkpoint_every": 6}
MIX_SHARE, MIX_TOKENS = "80%", 25_000
MIXED = "KL + cosine"  # what `distill` takes unless it is told otherwise: trained for the first table
MIXES = {
    "KL": {"divergence": 1.0, "hidden": 0.0},
    "KL + cosine + LM": {"divergence": 1.0, "hidden": 1.0, "language_model": 1.0},
}


@dataclass(frozen=True)
class Healed:
    """One child on unseen text, and the seconds of the step that made it."""

    name: str
    measured: Evaluation
    seconds: float | None


def main() -> None:
    shares = sys.argv[1:] or list(TOKENS)
    header = ("child", "KL(parent‖child), nats/token", "top-1 agreement", "share of the KL closed", "seconds")
    found: dict[str, Sequence[Healed]] = {}
    for share in shares:
        found[share] = list(_healed(share))
        rows = [_row(one, found[share][0]) for one in found[share]]
        print_table(f"SmolLM2 at {share} of its parameters, text of another source", header, rows)
    if MIX_SHARE in shares:
        first, _, mixed = found[MIX_SHARE][:3]
        rows = [_row(one, first) for one in (replace(mixed, name=MIXED), *_mixes())]
        print_table(f"Parts of the loss, {MIX_TOKENS:,} tokens, the child at {MIX_SHARE}", header, rows)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"\n{(used.ru_utime + used.ru_stime) / 60:.0f} minutes of CPU in all.")


def _healed(share: str) -> Iterator[Healed]:
    run = _run(share, [BLOCKS])
    yield Healed("search", _evaluated(run, run.files.built_child()), run.steps["04-solve"])
    yield Healed(
        "search, BLD", _evaluated(run, run.files.child_after("06-block-distill")), run.steps["06-block-distill"]
    )
    for tokens in TOKENS[share]:
        distilled = {"distill": {**TRAINING, "data": {"tokens": tokens}}}
        run = _run(share, [BLOCKS, distilled])
        child = _evaluated(run, run.files.child_after("07-distill"))
        yield Healed(f"search, BLD, GKD on {tokens:,} tokens", child, run.steps["07-distill"])


def _mixes() -> Iterator[Healed]:
    for name, losses in MIXES.items():
        distilled = {"distill": {**TRAINING, "losses": losses, "data": {"tokens": MIX_TOKENS}}}
        run = _run(MIX_SHARE, [BLOCKS, distilled])
        yield Healed(name, _evaluated(run, run.files.child_after("07-distill")), run.steps["07-distill"])


def _run(share: str, stages: Sequence[Mapping[str, object]]) -> Run:
    """Library and scores are made once; each budget has a run of its own, which takes them from the first."""
    return blockwright.run(RECIPE, f"budget.params={share}", f"stages={json.dumps(stages)}")


def _evaluated(run: Run, child: Path) -> Evaluation:
    return evaluate(run.files.parent.stack(), open_child(child), run.files.tokens["evaluation"])


def _row(one: Healed, first: Healed) -> tuple[object, ...]:
    kl = one.measured.kl_nats_per_token
    closed = 1 - kl / first.measured.kl_nats_per_token
    return one.name, kl, one.measured.top1_agreement, closed, "" if one.seconds is None else one.seconds


if __name__ == "__main__":
    main()
