"""How text is sampled."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt


class SamplingSettings(BaseModel):
    """`prompts` is a source of text; without it the model runs freely from its start token.

    `tokens` in all, at most `length` a document, of which a text prompt takes its first `prompt_tokens`; `batch`
    documents are sampled together. `seed` and the number of the batch decide what is drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    tokens: PositiveInt
    seed: NonNegativeInt = 0
    prompts: str | None = None
    prompt_tokens: PositiveInt = 64
    length: PositiveInt = 512
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    top_p: float = Field(default=1.0, gt=0, le=1)
    batch: PositiveInt = 16

    @property
    def origin(self) -> Mapping[str, object]:
        """All that decides what is drawn; more tokens only go on."""
        return {**self.model_dump(mode="json", exclude={"tokens", "batch"}), "batch_size": self.batch}
