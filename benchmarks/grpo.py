"""GRPO on the child that `make bench-toggle` leaves: with the curriculum and without, seed by seed.

`grpo.py [CHILD [FOLDER [SEEDS [STEPS [HELDOUT]]]]]`, SEEDS being like `0,1,2`. The task is the first of TASKS that the
child passes between 0.2 and 0.7 of the time. A killed run goes on: everything is in FOLDER.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from common import print_table

from blockwright.models.generation import Decoding
from blockwright.parent import open_parent
from blockwright.plugins import Plugins
from blockwright.post_training.prompts import PromptSources
from blockwright.post_training.questions import GeneratorSource
from blockwright.post_training.rewards import RewardChoice, Rewards
from blockwright.post_training.rollouts import judged_replies
from blockwright.stages import StageContext, StageResult

TASKS = (
    {"min_terms": 2, "max_terms": 3, "max_digits": 1},  # what reasoning SFT has seen
    {"min_terms": 2, "max_terms": 2, "max_digits": 2},
    {"min_terms": 3, "max_terms": 4, "max_digits": 1},
    {"min_terms": 4, "max_terms": 5, "max_digits": 1},
    {"min_terms": 2, "max_terms": 3, "max_digits": 2},
)
PARENTS = ("00-parent/parent", "smollm2/00-parent/parent")  # of a run that the child is in, or of one beside it
REWARDS = ["exact", {"format": {"weight": 0.5}}]
OPTIONS = {
    "rewards": REWARDS,
    "samples": 8,
    "batch_size": 32,
    "reply_tokens": 64,
    "learning_rate": 5e-6,
    "pass_rate_samples": 4,
    "checkpoint_every": 5,
    "answers_at_once": 64,
}


def source(config: object, count: int) -> dict[str, object]:
    return {"generator": "chain_sum", "config": config, "count": count, "seed": 1}


def pass_rate(child: Path, config: object, folder: Path, place: int) -> float:
    """Of sampled replies to 24 questions in both modes."""
    sources = PromptSources(questions=(GeneratorSource.model_validate(source(config, 24)),))
    rewards = Rewards.of([RewardChoice(name="exact")])
    decoding = Decoding(max_tokens=64, temperature=1.0, batch_size=48)
    replies = judged_replies(child, sources.training([]), rewards, decoding, folder / f"task-{place}.jsonl", 2)
    return sum(each.pass_rate(rewards) for each in replies) / len(replies)


def chosen_task(child: Path, folder: Path) -> dict[str, int]:
    for place, config in enumerate(TASKS):
        rate = pass_rate(child, config, folder, place)
        print(f"{config}: pass rate {rate:.3f}", flush=True)
        if 0.2 <= rate <= 0.7:
            return config
    raise SystemExit("no task of a pass rate between 0.2 and 0.7; add one to TASKS")


def trained(child: Path, folder: Path, curriculum: object, seed: int, options: dict[str, object]) -> StageResult:
    plugins = Plugins.load()
    stage = plugins.stage("grpo")
    parent = next(place / of for place in child.parents for of in PARENTS if (place / of).is_dir())
    folder.mkdir(parents=True, exist_ok=True)
    made = stage(stage.Options.model_validate({**OPTIONS, **options, "curriculum": curriculum}))
    return made.run(StageContext(open_parent(parent, plugins.families), child, {}, folder, seed))


def rows(results: dict[tuple[str, int], StageResult]) -> Iterator[tuple[object, ...]]:
    for (name, seed), result in results.items():
        figures, variance = result.figures, [value for _, value in result.curves["groups without variance (share)"]]
        third = max(1, len(variance) // 3)
        yield (
            name,
            seed,
            *(figures[f"exact with {mode}, {moment}"] for mode in ("on", "off") for moment in ("before", "after")),
            *(figures[f"format with {mode}, after"] for mode in ("on", "off")),
            sum(variance[:third]) / third,
            sum(variance[-third:]) / third,
            int(figures["tokens written"]),
        )


def main() -> None:
    given = dict(enumerate(sys.argv[1:]))
    child, folder = (
        Path(given.get(place, named)).resolve() for place, named in ((0, "runs/toggle/child"), (1, "runs/grpo"))
    )
    seeds = [int(seed) for seed in given.get(2, "0,1,2").split(",")]
    steps, heldout = (int(given.get(place, number)) for place, number in ((3, 60), (4, 200)))
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    task = chosen_task(child, folder)
    options = {"questions": [source(task, 4 * steps)], "steps": steps, "heldout": heldout}
    results = {
        (name, seed): trained(child, folder / f"{name}-{seed}", curriculum, seed, options)
        for seed in seeds
        for name, curriculum in (("curriculum", {}), ("shuffled", "off"))
    }
    header = "on, before", "on, after", "off, before", "off, after", "format on", "format off"
    print_table(
        f"GRPO on {task}: {steps} steps of {OPTIONS['batch_size']} replies, {heldout} held-out questions in each mode",
        ("prompts", "seed", *header, "no variance, first third", "last third", "tokens written"),
        list(rows(results)),
    )
    for key, result in results.items():
        print(key, *result.notes)
    print(f"{(time.monotonic() - start) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
