"""Scenarios: how a model will be used; and what one of its steps is, from that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from blockwright.errors import UserError
from blockwright.hardware.operations import ContextAttention, GenerationAttention, Operation
from blockwright.precision import ACTIVATIONS, Precision

Phase = Literal["prefill", "decode"]


@dataclass(frozen=True)
class Work:
    """One step of a model: `tokens` new ones of each sequence, which attend to `kv_tokens` each, themselves included.

    `gpus` share it by tensor parallelism. Embedding, norms, head and attention work in `stream`.
    """

    phase: Phase
    sequences: int
    tokens: int
    kv_tokens: int
    gpus: int
    weights: Precision
    kv: Precision

    @property
    def rows(self) -> int:
        """New tokens of all sequences."""
        return self.sequences * self.tokens

    @property
    def stream(self) -> Precision:
        return ACTIVATIONS[self.weights]

    def share(self, size: int) -> int:
        """What one GPU has of a dimension that is split among all."""
        return -(-size // self.gpus)

    def attention(self, heads: int, kv_heads: int, head_dim: int) -> Operation:
        """Softmax attention on one GPU; KV heads that are fewer than the GPUs are there several times."""
        if heads % self.gpus:
            fitting = [number for number in range(1, 9) if heads % number == 0]
            raise UserError(
                f"{heads} attention heads cannot be split over {self.gpus} GPUs; "
                f"tensor_parallel can be {', '.join(map(str, fitting))}"
            )
        sizes = {"heads": heads // self.gpus, "kv_heads": self.share(kv_heads), "head_dim": head_dim}
        if self.phase == "prefill":
            return ContextAttention(self.kv, batch=self.sequences, tokens=self.tokens, **sizes)
        return GenerationAttention(self.kv, batch=self.sequences, kv_tokens=self.kv_tokens, **sizes)


Count = Annotated[int, Field(gt=0, le=2**31)]


class Scenario(BaseModel):
    """How a model will be used: `batch` sequences at once, each with a prompt and an answer.

    `tensor_parallel` GPUs share every layer. `weights` is the precision of the layers' matrices; at fp8, embedding and
    head stay bf16, as engines keep them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    batch: Count = 1
    input_tokens: Count = 1024
    output_tokens: Count = 256
    tensor_parallel: int = Field(default=1, ge=1, le=8)
    weights: Precision = "bf16"
    kv: Precision = "bf16"

    @property
    def kv_tokens(self) -> int:
        """Tokens in the KV cache at the end of generation, over the whole batch."""
        return self.batch * (self.input_tokens + self.output_tokens)

    @property
    def prefill(self) -> Work:
        """One prompt, alone."""
        return self._work("prefill", 1, self.input_tokens, self.input_tokens)

    @property
    def decode(self) -> Work:
        """One token of every sequence, half-way through the answers."""
        return self._work("decode", self.batch, 1, self.input_tokens + max(1, self.output_tokens // 2))

    def _work(self, phase: Phase, sequences: int, tokens: int, kv_tokens: int) -> Work:
        return Work(phase, sequences, tokens, kv_tokens, self.tensor_parallel, self.weights, self.kv)
