"""Replies of a causal LM to many prompts at once, with its key-value cache; rows that have ended leave the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from blockwright.child.modeling_blockwright import CACHE_ARGUMENT

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Tokens = list[int]
WORTH_MOVING = 0.75  # rows are dropped from the cache, which is copied for that, when so few of them go on


@dataclass(frozen=True)
class Decoding:
    """At most `max_tokens` a reply; greedy at temperature 0, else sampled from the `top_p` most likely tokens."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    batch_size: int = 32


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Tokens],
    decoding: Decoding,
    ends: frozenset[int],
    told: Callable[[int], None] | None = None,
) -> list[Tokens]:
    """The reply to each prompt, with the end token where the model wrote it; `told` hears how many are finished.

    Prompts of like length share a batch, so greedy replies depend on their company by rounding alone.
    """
    replies: list[Tokens] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    generator = torch.Generator().manual_seed(decoding.seed)
    finished = 0
    for start in range(0, len(order), decoding.batch_size):
        chosen = order[start : start + decoding.batch_size]
        for row, token in _steps(model, [prompts[index] for index in chosen], decoding, ends, generator):
            replies[chosen[row]].append(token)
        finished += len(chosen)
        if told is not None:
            told(finished)
    return replies


def stream(model: PreTrainedModel, prompt: Tokens, decoding: Decoding, ends: frozenset[int]) -> Iterator[int]:
    """One reply, token by token as the model writes it."""
    generator = torch.Generator().manual_seed(decoding.seed)
    for _, token in _steps(model, [prompt], decoding, ends, generator):
        yield token


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Where a reply ends: as the generation settings say, and as the tokenizer does."""
    settings = model.generation_config.eos_token_id if model.generation_config else None
    found = [*(settings if isinstance(settings, list) else [settings]), tokenizer.eos_token_id]
    return frozenset(token for token in found if isinstance(token, int))


def _steps(
    model: PreTrainedModel,
    prompts: Sequence[Tokens],
    decoding: Decoding,
    ends: frozenset[int],
    generator: torch.Generator,
) -> Iterator[tuple[int, int]]:
    """(row, token) in the order in which they are written."""
    batch = _Batch(model, prompts)
    choose = _chooser(decoding, generator)
    with torch.inference_mode():
        logits = batch.read_prompts()
        for step in range(decoding.max_tokens):
            tokens = choose(logits)
            written = tokens.tolist()
            yield from ((row, token) for row, token in zip(batch.rows, written, strict=True) if row in batch.open)
            batch.end(row for row, token in zip(batch.rows, written, strict=True) if token in ends)
            if not batch.open or step + 1 == decoding.max_tokens:
                return
            logits = batch.read(batch.without_the_ended(tokens))


class _Batch:
    """Prompts on their way through the model: the cache, the padding mask, and which rows are still open."""

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Tokens]) -> None:
        longest = max(map(len, prompts))
        self.model = model
        self.rows = list(range(len(prompts)))
        self.open = set(self.rows)
        self._tokens = _padded([[0] * (longest - len(prompt)) + prompt for prompt in prompts], model)
        self._mask = _padded([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], model)
        self._cache = DynamicCache(config=model.config)

    def read_prompts(self) -> Tensor:
        """Logits of the first token of each reply, (rows, vocabulary)."""
        return self._forward(self._tokens, (self._mask.cumsum(-1) - 1).clamp(min=0))

    def read(self, tokens: Tensor) -> Tensor:
        """Logits that follow the newest token of each row; tokens: (rows,)."""
        self._mask = torch.cat((self._mask, self._mask.new_ones(len(self.rows), 1)), dim=1)
        return self._forward(tokens[:, None], self._mask.sum(-1, keepdim=True) - 1)

    def end(self, rows: Iterator[int]) -> None:
        self.open.difference_update(rows)

    def without_the_ended(self, tokens: Tensor) -> Tensor:
        """Drops rows that have ended, from `tokens` too, when enough of them have."""
        if len(self.open) > WORTH_MOVING * len(self.rows):
            return tokens
        kept = torch.tensor([place for place, row in enumerate(self.rows) if row in self.open], device=tokens.device)
        self._cache.batch_select_indices(kept)
        self.rows, self._mask = [row for row in self.rows if row in self.open], self._mask[kept]
        return tokens[kept]

    def _forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        cache = {CACHE_ARGUMENT: self._cache}
        outputs = self.model(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **cache,
        )
        logits: Tensor = outputs.logits[:, -1].float()
        return logits


def _padded(rows: Sequence[Tokens], model: PreTrainedModel) -> Tensor:
    return torch.tensor(rows, device=model.device)


def _chooser(decoding: Decoding, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Logits (rows, vocabulary) -> tokens (rows,)."""

    def greedy(logits: Tensor) -> Tensor:
        return logits.argmax(dim=-1)

    def sampled(logits: Tensor) -> Tensor:
        shares = (logits / decoding.temperature).softmax(dim=-1).cpu()
        kept = shares if decoding.top_p >= 1 else _most_likely(shares, decoding.top_p)
        return torch.multinomial(kept, 1, generator=generator)[:, 0].to(logits.device)

    return sampled if decoding.temperature > 0 else greedy


def _most_likely(shares: Tensor, top_p: float) -> Tensor:
    """The fewest tokens that make up `top_p`, the others at 0."""
    ranked, order = shares.sort(dim=-1, descending=True)
    ranked[ranked.cumsum(dim=-1) - ranked >= top_p] = 0
    return torch.zeros_like(shares).scatter(-1, order, ranked)
