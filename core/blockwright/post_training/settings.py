"""What a recipe may say about any stage on TRL, and whether TRL is there at all."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from blockwright.stages import StageOptions
from blockwright.training.settings import Share

INSTALL = "type `pip install 'blockwright[post-training]'`"
OLDEST_TRL = (1, 16)


class PostTrainingOptions(StageOptions):
    """Options that every stage on TRL has.

    `steps`: how many updates; where it is not given, `epochs` says how often the data is gone through. `batch_size`:
    sequences an update, over all processes; `accumulate`: in how many parts, one after the other, each process takes
    its share of them. `learning_rate` rises over the `warmup` share of the steps, and then falls as `schedule` says.
    `precision`: `auto` is bf16 with float32 master weights on a GPU and fp32 on a CPU. `gradient_checkpointing`:
    computes a layer's activations twice rather than keep them. `checkpoint_every` is in steps; `keep`: how many
    checkpoints stay. `launcher`: what starts the processes, such as `accelerate launch --config_file {fsdp2}
    --num_processes 8`, in which `{fsdp2}` is the FSDP2 configuration that comes with Blockwright; without it the stage
    trains in this process.
    """

    without_effect = frozenset({"launcher", "checkpoint_every", "keep"})
    needs: ClassVar[tuple[str, ...]] = ("trl", "datasets")  # modules that are no dependency of Blockwright itself

    steps: PositiveInt | None = None
    epochs: PositiveInt = 1
    batch_size: PositiveInt = 8
    accumulate: PositiveInt = 1
    learning_rate: PositiveFloat = 1e-5
    warmup: Share = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: PositiveFloat = 1.0
    gradient_checkpointing: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_every: PositiveInt = 50
    keep: PositiveInt = 1
    launcher: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _what_it_needs_is_installed(cls, data: object) -> object:
        missing = missing_modules(cls.needs)
        if missing:
            raise ValueError(f"{' and '.join(missing)} not installed; {INSTALL}")
        if "trl" in cls.needs and _version("trl") < OLDEST_TRL:
            raise ValueError(f"trl {importlib.metadata.version('trl')} is too old; {INSTALL}")
        return data


def missing_modules(names: tuple[str, ...]) -> list[str]:
    """Without importing them: `blockwright check` shall not take seconds."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def _version(package: str) -> tuple[int, ...]:
    """The first two numbers."""
    return tuple(int(number) for number in importlib.metadata.version(package).split(".")[:2])
