"""How whole models are trained: what a recipe may say about it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

Share = Annotated[float, Field(ge=0, le=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class LossWeights(BaseModel):
    """What the loss is made of: KL(parent‖child), 1 − cosine of hidden states, and cross entropy with the text.

    The cross entropy is off unless it is asked for: in Puzzle's comparison of losses (arXiv 2411.19146) it hurts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    divergence: NonNegativeFloat = 1.0
    hidden: NonNegativeFloat = 1.0
    language_model: NonNegativeFloat = 0.0


class SpikeRule(BaseModel):
    """When training is given up: at a loss that is no number, or after `steps` in a row above `factor` × the median.

    The median is that of the `window` steps before; no step is judged before there are as many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    factor: Annotated[float, Field(gt=1)] = 3.0
    steps: PositiveInt = 5
    window: PositiveInt = 20


class TrainingSettings(BaseModel):
    """The training loop's options.

    `epochs`: how often the data is gone through. `batch_size`: sequences a step, over all processes; `accumulate`:
    in how many parts, one after the other, each process takes its share of them, to save memory.
    `learning_rate` rises over the `warmup` share of the steps, and falls by a cosine to `min_learning_rate` (a share
    of it). `weight_decay` falls on matrices alone. `precision`: `auto` is bf16 with float32 master weights on a GPU
    and fp32 on a CPU. `gradient_checkpointing`: computes a layer's activations twice rather than keep them.
    `evaluate_every` and `checkpoint_every` are in steps; `keep`: how many checkpoints stay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    epochs: PositiveInt = 1
    batch_size: PositiveInt = 8
    accumulate: PositiveInt = 1
    learning_rate: PositiveFloat = 1e-4
    warmup: Share = 0.05
    min_learning_rate: Share = 0.1
    weight_decay: NonNegativeFloat = 0.0
    betas: tuple[Momentum, Momentum] = (0.9, 0.95)
    max_grad_norm: PositiveFloat = 1.0
    temperature: PositiveFloat = 1.0
    losses: LossWeights = LossWeights()
    gradient_checkpointing: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    evaluate_every: PositiveInt = 50
    checkpoint_every: PositiveInt = 50
    keep: PositiveInt = 1
    spike: SpikeRule = SpikeRule()
