"""Speed of distillation steps on SmolLM2: against the sum of their parts, and against TRL's DistillationTrainer.

The child is SmolLM2 with FFNs of half the width. TRL's trainer learns on-policy: its student writes the text that it
learns from. Here it is handed the same sequences as Blockwright instead, so that no generation is timed; its loss is
KL(parent‖child) (beta 0), its models are the same. All take turns in one process.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from tempfile import TemporaryDirectory

import torch
from common import print_table
from smollm2 import open_smollm2
from torch import Tensor

from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.healing.fused_divergence import fused_divergence
from blockwright.healing.hidden_states import hidden_state_loss
from blockwright.models.weights import WeightSource
from blockwright.parent import Parent
from blockwright.training.batches import Batch, make_batch
from blockwright.training.distilling import Student, Teacher
from blockwright.training.models import empty_model, fill
from blockwright.training.processes import one_process
from blockwright.training.settings import LossWeights, TrainingSettings
from blockwright.training.trainer import Trainer

SEQUENCES, LENGTH = 4, 256  # a step
ROUNDS = 4  # of which the first warms up
TARGET = 1.15
LEARNING_RATE = 1e-5
TRL = "TRL, KL"
LOSSES = {"KL": LossWeights(hidden=0.0), "KL and hidden states": LossWeights()}
PARTS = ("parent forward", "child forward", "losses and child backward", "optimiser")


def main() -> None:
    torch.set_num_threads(1)
    parent, times = open_smollm2(), Times()
    trainers = {name: _trainer(parent, losses) for name, losses in LOSSES.items()}
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, parent.config.vocab_size, (ROUNDS, SEQUENCES, LENGTH), generator=generator)

    def our_round(number: int) -> None:
        batch = make_batch(tokens[number], torch.zeros_like(tokens[number]))
        for name, trainer in trainers.items():
            _time_parts(times, name, trainer, batch)
            with times.measure(name, "step"):
                trainer.step([batch], LEARNING_RATE)

    trl = _run_beside_trl(parent, tokens, times, our_round)
    _print_parts(times)
    _print_speeds(times, trl)


@dataclass(frozen=True)
class Times:
    """CPU seconds on one thread, which other programs on the machine lengthen less than wall time."""

    measured: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    first_kl: dict[str, float] = field(default_factory=dict)  # that all start from the same child and batch

    @contextmanager
    def measure(self, who: str, what: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.measured.setdefault((who, what), []).append(time.process_time() - start)

    def of(self, who: str, what: str) -> float:
        """The median of the rounds after the first."""
        return median(self.measured[who, what][1:])


class Halved:
    """The parent's weights with the first half of each FFN's channels."""

    def __init__(self, source: WeightSource, width: int) -> None:
        self.source, self.width = source, width

    def names(self) -> Iterable[str]:
        return self.source.names()

    def read(self, name: str) -> Tensor:
        tensor = self.source.read(name)
        if "mlp.down_proj" in name:
            return tensor[:, : self.width].contiguous()
        return tensor[: self.width] if "mlp." in name else tensor


def _parent_model(parent: Parent) -> BlockwrightForCausalLM:
    model = empty_model(parent.config)
    fill(model, parent.source(), torch.device("cpu"), torch.float32)
    return model.eval().requires_grad_(False)


def _child_model(parent: Parent) -> BlockwrightForCausalLM:
    config = copy.deepcopy(parent.config)
    config.intermediate_size //= 2
    model = empty_model(config)
    fill(model, Halved(parent.source(), config.intermediate_size), torch.device("cpu"), torch.float32)
    return model


def _trainer(parent: Parent, losses: LossWeights) -> Trainer:
    student = Student(_child_model(parent), losses)
    teacher = Teacher(_parent_model(parent), student.pairs)
    student.train()
    return Trainer(teacher, student, TrainingSettings(losses=losses), one_process())


def _time_parts(times: Times, name: str, trainer: Trainer, batch: Batch) -> None:
    """A step by hand, on the trainer's own models and optimiser."""
    parent, child, wants_states = trainer.teacher.model, trainer.student.model, bool(trainer.student.pairs)
    arguments = {"input_ids": batch.tokens, "use_cache": False, "output_hidden_states": wants_states}
    with times.measure(name, "parent forward"), torch.no_grad():
        theirs = parent.model(**arguments)
    with times.measure(name, "child forward"):
        ours = child.model(**arguments)
    with times.measure(name, "losses and child backward"):
        ends = [each.last_hidden_state.flatten(0, 1) for each in (ours, theirs)]
        loss = fused_divergence(ends[0], child.lm_head.weight, ends[1], parent.lm_head.weight).divergence
        times.first_kl.setdefault(name, loss.item())
        if wants_states:
            loss = loss + hidden_state_loss(ours.hidden_states, theirs.hidden_states, trainer.student.pairs)
        loss.backward()
    with times.measure(name, "optimiser"):
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()


def _run_beside_trl(parent: Parent, tokens: Tensor, times: Times, our_round: Callable[[int], None]) -> str:
    """Runs our round after each of TRL's steps; says which TRL it was, or why there was none."""
    try:
        import trl
        from trl import DistillationConfig, DistillationTrainer
    except ImportError as error:
        for number in range(ROUNDS):
            our_round(number)
        return f"TRL's trainer did not run: {error}; type: pip install trl==1.16.0"

    from datasets import Dataset
    from transformers import TrainerCallback

    class OffPolicy(DistillationTrainer):
        """Takes its sequences from the data; the prompt is a sequence's number and stands for its first token."""

        def _generate(self, prompts):  # type: ignore[no-untyped-def]
            rows = [tokens.flatten(0, 1)[int(prompt)].tolist() for prompt in prompts]
            return [row[:1] for row in rows], [row[1:] for row in rows], None, None, []

        def compute_loss(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            loss = super().compute_loss(*args, **kwargs)
            times.first_kl.setdefault(TRL, float(loss))
            return loss

    class TakeTurns(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            self.measure = times.measure(TRL, "step")
            self.measure.__enter__()

        def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            self.measure.__exit__(None, None, None)
            our_round(state.global_step - 1)

    with TemporaryDirectory() as folder:
        settings = DistillationConfig(
            folder, beta=0.0, learning_rate=LEARNING_RATE, per_device_train_batch_size=SEQUENCES, max_steps=ROUNDS,
            max_completion_length=LENGTH - 1, shuffle_dataset=False, gradient_checkpointing=False, bf16=False,
            use_cpu=True, report_to="none", logging_strategy="no", save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        OffPolicy(
            model=_child_model(parent),
            teacher_model=_parent_model(parent),
            args=settings,
            train_dataset=Dataset.from_dict({"prompt": [str(row) for row in range(ROUNDS * SEQUENCES)]}),
            processing_class=parent.tokenizer(),
            callbacks=[TakeTurns()],
        ).train()
    return f"TRL {trl.__version__}"


def _print_parts(times: Times) -> None:
    rows = []
    for name in LOSSES:
        parts = [times.of(name, part) for part in PARTS]
        rows.append((name, *parts, sum(parts), times.of(name, "step"), times.of(name, "step") / sum(parts)))
    title = f"A distillation step and its parts, CPU s: {SEQUENCES} × {LENGTH} tokens, float32, one thread"
    print_table(title, ("loss", *PARTS, "sum", "step", "step to sum"), rows)
    print(f"\nTarget: at most {TARGET}.")


def _print_speeds(times: Times, trl: str) -> None:
    names = [*LOSSES, *([TRL] if (TRL, "step") in times.measured else [])]
    speeds = {name: SEQUENCES * LENGTH / times.of(name, "step") for name in names}
    rows = [(name, speeds[name], speeds[name] / speeds[names[-1]], times.first_kl[name]) for name in names]
    header = ("trainer", "tokens/s", f"to {names[-1]}", "KL of the first step, nats")
    print_table(f"Tokens a CPU second; {trl}", header, rows)


if __name__ == "__main__":
    main()
