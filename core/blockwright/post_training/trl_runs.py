"""TRL's trainers under Blockwright: their arguments from our options, events, resuming after a kill, and the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.files import write_json
from blockwright.models.quiet import quiet_transformers
from blockwright.post_training.job import OUTCOME, TrlJob, TrlOutcome
from blockwright.post_training.models import uses_bf16
from blockwright.post_training.saving import is_first_process, save_trained
from blockwright.seals import seal

if TYPE_CHECKING:
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

    from blockwright.post_training.settings import PostTrainingOptions

WHOLE = "whole"  # a file in each checkpoint that is all there
TRLS_NAMES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def common_arguments(options: PostTrainingOptions, job: TrlJob, world: int | None = None) -> dict[str, Any]:
    """What any of TRL's configs takes from our options: every step is logged, nothing is reported to trackers."""
    import torch

    world = started_processes() if world is None else world
    return {
        "output_dir": str(job.checkpoints),
        "max_steps": options.steps or -1,
        "num_train_epochs": float(options.epochs),
        "per_device_train_batch_size": _at_once(options, world),
        "gradient_accumulation_steps": options.accumulate,
        "learning_rate": options.learning_rate,
        "warmup_steps": options.warmup if options.warmup < 1 else 0.999,  # a share, for transformers, is below 1
        "lr_scheduler_type": TRLS_NAMES[options.schedule],
        "weight_decay": options.weight_decay,
        "max_grad_norm": options.max_grad_norm,
        "gradient_checkpointing": options.gradient_checkpointing,
        "bf16": uses_bf16(options.precision),
        "use_cpu": not torch.cuda.is_available(),
        "seed": job.seed,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": options.checkpoint_every,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def started_processes() -> int:
    """How many processes train together: torchrun and accelerate say so in the environment."""
    import os

    return int(os.environ.get("WORLD_SIZE", "1"))


def _at_once(options: PostTrainingOptions, world: int) -> int:
    parts = options.accumulate * world
    if options.batch_size % parts:
        raise UserError(
            f"stages: batch_size {options.batch_size} cannot be shared out over {world} process(es) and "
            f"accumulate {options.accumulate}; give a multiple of {parts}"
        )
    return options.batch_size // parts


def train_to_the_end(trainer: Trainer, job: TrlJob, keep: int, save: Callable[[Path], None] | None = None) -> None:
    """Trains from the newest whole checkpoint, writes the child and then the outcome; all processes call it.

    `save` writes the child to the folder that it is given; without it the child has the template of before.
    """
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Progress(keep))
    newest = newest_checkpoint(job.checkpoints)
    with quiet_trl():
        trainer.train(resume_from_checkpoint=None if newest is None else str(newest))
    child = job.directory / "child"
    if save is None:
        save_trained(child, trainer.model, job.child)  # type: ignore[arg-type]
    else:
        save(child)
    if is_first_process():
        outcome = TrlOutcome(child=child, steps=trainer.state.global_step, logs=tuple(_rows(trainer.state)))
        write_json(job.directory / OUTCOME, outcome.model_dump(mode="json"))
        shutil.rmtree(job.checkpoints, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()


def newest_checkpoint(folder: Path) -> Path | None:
    """The last that was written whole; a kill can leave a part of a newer one, which is written again."""
    whole = [place for place in _checkpoints(folder) if (place / WHOLE).exists()]
    return max(whole, key=_step, default=None)


def _checkpoints(folder: Path) -> Iterable[Path]:
    return folder.glob("checkpoint-*")


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _rows(state: TrainerState) -> Iterator[Mapping[str, float]]:
    """Of the steps; the summary at the end has no learning rate. What is no finite number is left out."""
    for row in state.log_history:
        if "train_runtime" not in row:
            yield {name: value for name, value in row.items() if _is_finite(value)}


def _is_finite(value: object) -> bool:
    import math

    return isinstance(value, int | float) and math.isfinite(value)


class _Progress(TrainerCallback):
    """Tells steps and checkpoints as events, and marks the checkpoints that are whole."""

    def __init__(self, keep: int) -> None:
        self.keep = keep

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **unused: object
    ) -> None:
        emit("training_started", steps=state.max_steps, from_step=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **unused: object
    ) -> None:
        """No checkpoint of the last step, from which transformers would train one more; the child comes next."""
        if state.global_step >= state.max_steps:
            control.should_save = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **unused: object,
    ) -> None:
        if logs and "train_runtime" not in logs:
            fields = {name.replace("/", "_"): value for name, value in logs.items() if name not in ("step", "epoch")}
            emit("step_trained", done=state.global_step, total=state.max_steps, step=state.global_step, **fields)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **unused: object) -> None:
        """Called when all of a checkpoint is written; older ones go."""
        if not state.is_world_process_zero:
            return
        folder = Path(str(args.output_dir))
        written = folder / f"checkpoint-{state.global_step}"
        seal(written)
        (written / WHOLE).touch()
        for place in sorted(_checkpoints(folder), key=_step)[: -self.keep]:
            shutil.rmtree(place)
        emit("checkpoint_saved", step=state.global_step)


@contextmanager
def quiet_trl() -> Iterator[None]:
    """Around the making and the work of a trainer: no log lines, no bars, and nothing told to the hub."""
    import warnings

    import datasets
    from huggingface_hub import constants

    telemetry, bars = constants.HF_HUB_DISABLE_TELEMETRY, not datasets.are_progress_bars_disabled()
    constants.HF_HUB_DISABLE_TELEMETRY = True
    datasets.disable_progress_bars()
    try:
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of TRL's own use of transformers
            yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = telemetry
        if bars:
            datasets.enable_progress_bars()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines() if line]
