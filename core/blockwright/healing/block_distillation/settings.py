"""How block distillation trains; read from recipes, so nothing here runs a model."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

REFIT, DISTILLED = "refit", "block-distill"  # ways of making a variant, as the library's decisions call them


class BlockDistillSettings(BaseModel):
    """Adam with warmup and a cosine, on the parent's recorded activations; held-back tokens say when to stop.

    `tokens`: how many are trained on in all; calibration text is gone through again when there is less of it.
    `batch_tokens`: how many a step. `learning_rate`: the size of a step in units of each weight's own root mean
    square, so that it means the same in every layer and model. `warmup`: share of the steps until the rate is full.
    `clip`: the longest gradient of a variant, its loss being a share of the parent's output. `output_weighted`:
    measures errors in training through G = E[g gᵀ], g = ∂ log p(y) / ∂ output, instead of counting all directions
    alike. `evaluate_every`: steps between looks at held-back tokens, where the best weights are kept. `patience`: a
    variant that has not become better at so many of them is left alone. `checkpoint_every`: steps that a kill may cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    tokens: PositiveInt = 131072
    batch_tokens: PositiveInt = 1024
    learning_rate: PositiveFloat = 0.02
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    clip: PositiveFloat = 1.0
    output_weighted: bool = False
    evaluate_every: PositiveInt = 16
    patience: PositiveInt = 6
    checkpoint_every: PositiveInt = 64
