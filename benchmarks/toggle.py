"""The thinking toggle: SmolLM2 at 80 % after reasoning SFT, asked 100 held-out questions in both modes.

`toggle.py CHILD FOLDER` takes a child that is there already, and works in FOLDER; without them the demo's search makes
one first.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from common import print_table

import blockwright
from blockwright.parent import open_parent
from blockwright.plugins import Plugins
from blockwright.post_training.answering import Answers
from blockwright.post_training.thinking import MODES
from blockwright.stages import StageContext, StageResult

RECIPE = Path(__file__).parent.parent / "examples/smollm2.yaml"
QUESTIONS = {"generator": "chain_sum", "config": {"min_terms": 2, "max_terms": 3, "max_digits": 1}, "count": 800}
OPTIONS: Mapping[str, object] = {
    "questions": [QUESTIONS],
    "heldout": 100,
    "answer_tokens": 64,
    "answers_at_once": 50,
    "sequence_length": 256,
    "batch_size": 2,
    "learning_rate": 3e-4,
    "checkpoint_every": 50,
}


def main() -> None:
    start = time.monotonic()
    child, folder = map(Path, sys.argv[1:]) if sys.argv[1:] else _searched()
    result = _trained(child, folder)
    print_table(f"The toggle on {child}", ("figure", *MODES), list(_rows(folder)))
    for file in ("answers-before.json", "answers-after.json"):
        for mode in MODES:
            print(f"\n{file}, {mode}: {_answers(folder, file).of(mode)[0].model_dump()}")
    used = resource.getrusage(resource.RUSAGE_SELF)
    minutes = (time.monotonic() - start) / 60
    print(f"\n{result.figures['steps']:.0f} steps, {result.notes}")
    print(f"{minutes:.0f} minutes, {(used.ru_utime + used.ru_stime) / 60:.0f} of CPU.")


def _searched() -> tuple[Path, Path]:
    run = blockwright.run(RECIPE)
    return run.child, run.directory.parent / "toggle"


def _trained(child: Path, folder: Path) -> StageResult:
    plugins = Plugins.load()
    stage = plugins.stage("reasoning-sft")
    parent = next(place for place in child.parents if (place / "00-parent").is_dir()) / "00-parent/parent"
    folder.mkdir(parents=True, exist_ok=True)
    context = StageContext(open_parent(parent, plugins.families), child, {}, folder, 0)
    return stage(stage.Options.model_validate(OPTIONS)).run(context)


def _rows(folder: Path) -> Iterator[tuple[object, ...]]:
    for moment in ("before", "after"):
        answers = _answers(folder, f"answers-{moment}.json")
        yield f"well-formed think blocks, {moment}", *map(answers.well_formed, MODES)
        yield f"accuracy, {moment}", *map(answers.accuracy, MODES)


def _answers(folder: Path, file: str) -> Answers:
    return Answers.model_validate(json.loads((folder / file).read_text()))


if __name__ == "__main__":
    main()
