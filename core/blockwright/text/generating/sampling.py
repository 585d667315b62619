"""Samples of a causal LM, with its key-value cache, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.models.quiet import quiet_transformers
from blockwright.text.generating.settings import SamplingSettings

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import GenerationConfig


class Sampler:
    """A model and its tokenizer, on the GPU in bfloat16 where there is one, else in float32."""

    def __init__(self, directory: Path) -> None:
        from transformers import AutoModelForCausalLM

        from blockwright.models.devices import best_device
        from blockwright.models.tokenizers import read_tokenizer
        from blockwright.post_training.models import opened_with

        self.device = best_device().type
        self.tokenizer = read_tokenizer(directory)
        self.model = opened_with(AutoModelForCausalLM, directory)
        self._ends = _ends(self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id)

    @property
    def positions(self) -> int:
        """How many tokens the model can look back on."""
        return int(getattr(self.model.config, "max_position_embeddings", 2048))

    def sample(self, prompts: Sequence[list[int]], settings: SamplingSettings, seed: int) -> list[list[int]]:
        """What follows each prompt, with the end token where the model wrote it."""
        import torch

        longest = max(map(len, prompts))
        padding = self._ends[0] if self._ends else 0
        tokens = torch.tensor([[padding] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        self.model.generation_config = self._config(settings, self.positions - longest, padding)
        devices = [torch.cuda.current_device()] if self.device == "cuda" else []
        with torch.random.fork_rng(devices), quiet_transformers():
            torch.manual_seed(seed)
            made = self.model.generate(tokens.to(self.device), attention_mask=mask.to(self.device))
        return [self._until_the_end(row) for row in made[:, longest:]]

    def _config(self, settings: SamplingSettings, room: int, padding: int) -> GenerationConfig:
        from transformers import GenerationConfig

        return GenerationConfig(
            do_sample=True,
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=0,
            max_new_tokens=min(settings.length, room),
            eos_token_id=self._ends or None,
            pad_token_id=padding,
            use_cache=True,
        )

    def _until_the_end(self, row: Tensor) -> list[int]:
        tokens: list[int] = row.tolist()
        end = next((place for place, token in enumerate(tokens) if token in self._ends), len(tokens) - 1)
        return tokens[: end + 1]


def _ends(*tokens: int | list[int] | None) -> list[int]:
    found = [token for some in tokens for token in (some if isinstance(some, list) else [some])]
    return list(dict.fromkeys(token for token in found if token is not None))
