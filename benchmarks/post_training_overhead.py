"""What our stages add to a step of TRL's trainers called directly, with the same settings, data and draws.

`post_training_overhead.py [CHILD [STEPS]]`: CHILD is the one that `make bench-toggle` leaves, if no other is named.
Both ways take turns (ours, TRL, TRL, ours); each step of one is compared with the same step of the other, which has the
same batch and must come to the same loss. CPU seconds say what a step costs on a machine that others use too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import print_table
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.events import Event, listening
from blockwright.post_training import grpo, sft
from blockwright.post_training.job import TrlJob, run_job
from blockwright.post_training.models import open_tokenizer
from blockwright.post_training.pairs import conversations, heldout_questions
from blockwright.post_training.prompts import Prompt
from blockwright.post_training.questions import GeneratorSource
from blockwright.post_training.reinforcing import arguments, write_prompts
from blockwright.post_training.templates import thinking_template
from blockwright.post_training.trl_runs import common_arguments, quiet_trl, read_lines

SUMS = GeneratorSource(generator="chain_sum", config={"min_terms": 2, "max_terms": 3, "max_digits": 1}, count=120)
NEVER = 10**6
SFT = {"batch_size": 2, "sequence_length": 256, "learning_rate": 1e-5, "checkpoint_every": NEVER}
GRPO = {
    "batch_size": 8,
    "samples": 4,
    "reply_tokens": 24,
    "learning_rate": 1e-6,
    "checkpoint_every": NEVER,
    "rewards": ["exact"],
}


@dataclass
class Clock:
    """When each step was logged, by the wall and by this process's CPU, and its loss."""

    marks: list[tuple[float, float, float]]

    def mark(self, loss: float) -> None:
        self.marks.append((time.perf_counter(), time.process_time(), loss))

    def seconds(self, clock: int) -> list[float]:
        """Of each step but the first."""
        times = [mark[clock] for mark in self.marks]
        return [later - earlier for earlier, later in pairwise(times)]


class Marks(TrainerCallback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **unused: Any) -> None:
        if "loss" in logs:
            self.clock.mark(logs["loss"])


def ours(job: TrlJob) -> Clock:
    clock = Clock([])

    def hear(event: Event) -> None:
        if event.name == "step_trained":
            clock.mark(float(event.fields["loss"]))  # type: ignore[arg-type]

    with listening(hear):
        run_job(job)
    return clock


def sft_job(child: Path, folder: Path, steps: int) -> TrlJob:
    template = thinking_template(open_tokenizer(child))
    sft.write_conversations(folder, conversations([SUMS], [], heldout_questions([SUMS], 8)), child, template, 256)
    return TrlJob(trains=sft.TRAINS, child=child, directory=folder, seed=0, options={**SFT, "steps": steps})


def grpo_job(child: Path, folder: Path, steps: int) -> TrlJob:
    questions = heldout_questions([SUMS], 2 * steps)
    write_prompts(folder, [Prompt(question=question, mode="off") for question in questions])
    return TrlJob(trains=grpo.TRAINS, child=child, directory=folder, seed=0, options={**GRPO, "steps": steps})


def direct_sft(job: TrlJob) -> Clock:
    settings = sft.SftSettings.model_validate(dict(job.options))
    tokenizer = open_tokenizer(job.child)
    tokenizer.chat_template = thinking_template(tokenizer).text
    common = common_arguments(settings, job)
    common |= {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 1}
    trainer = SFTTrainer(
        model=_model(job.child),
        args=SFTConfig(**common, max_length=256, packing=True, assistant_only_loss=True),
        train_dataset=Dataset.from_list(read_lines(job.directory / sft.CONVERSATIONS)).shuffle(seed=0),
        processing_class=tokenizer,
    )
    return _trained(trainer)


def direct_grpo(job: TrlJob) -> Clock:
    settings = grpo.GrpoSettings.model_validate(dict(job.options))
    rows = [Prompt.model_validate(row) for row in read_lines(job.directory / "prompts.jsonl")]

    def exact(completions: Sequence[Any], answer: Sequence[str], **unused: Any) -> list[float]:
        said = [completion[0]["content"].rpartition("</think>")[2].strip() for completion in completions]
        return [float(text == expected) for text, expected in zip(said, answer, strict=True)]

    trainer = GRPOTrainer(
        model=_model(job.child),
        reward_funcs=[exact],
        args=GRPOConfig(**arguments(job, settings), loss_type=settings.loss),
        train_dataset=Dataset.from_list([{"prompt": row.messages, "answer": row.question.answer} for row in rows]),
        processing_class=open_tokenizer(job.child),
    )
    return _trained(trainer)


def _model(child: Path) -> BlockwrightForCausalLM:
    model = BlockwrightForCausalLM.from_pretrained(child, dtype="float32", attn_implementation="sdpa")
    model.config.use_cache = False
    return model


def _trained(trainer: Any) -> Clock:
    clock = Clock([])
    trainer.add_callback(Marks(clock))
    trainer.train()
    return clock


def compared(child: Path, make: Callable[..., TrlJob], direct: Callable[[TrlJob], Clock], steps: int) -> list[object]:
    """Ours, TRL, TRL, ours."""
    found: dict[str, list[Clock]] = {"ours": [], "trl": []}
    for way in ("ours", "trl", "trl", "ours"):
        with tempfile.TemporaryDirectory() as folder, quiet_trl():
            job = make(child, Path(folder), steps)
            found[way].append(ours(job) if way == "ours" else direct(job))
    pairs = list(zip(found["ours"], found["trl"], strict=True))
    for one, other in pairs:
        assert [mark[2] for mark in one.marks] == [mark[2] for mark in other.marks], "the two ways learned differently"
    return [figure for clock in (1, 0) for figure in _of_pairs(pairs, clock)] + [
        sum(len(a.seconds(0)) for a, _ in pairs)
    ]


def _of_pairs(pairs: Sequence[tuple[Clock, Clock]], clock: int) -> list[object]:
    """Median seconds of both, and the overhead of all steps together and of the median pair."""
    mine = [second for one, _ in pairs for second in one.seconds(clock)]
    theirs = [second for _, other in pairs for second in other.seconds(clock)]
    ratios = [a / b - 1 for a, b in zip(mine, theirs, strict=True)]
    return [
        statistics.median(mine),
        statistics.median(theirs),
        f"{sum(mine) / sum(theirs) - 1:+.2%}",
        f"{statistics.median(ratios):+.2%}",
    ]


def main() -> None:
    child = Path(sys.argv[1] if sys.argv[1:] else "runs/toggle/child").resolve()
    steps = int(sys.argv[2]) if sys.argv[2:] else 12
    clocks = [f"{name} {clock}" for clock in ("CPU", "wall") for name in ("ours, s", "TRL, s", "sum", "median pair")]
    rows = [
        ["reasoning-sft", *compared(child, sft_job, direct_sft, steps)],
        ["grpo", *compared(child, grpo_job, direct_grpo, steps)],
    ]
    print_table("A step of our stages over TRL called directly", ("stage", *clocks, "pairs of steps"), rows)


if __name__ == "__main__":
    main()
