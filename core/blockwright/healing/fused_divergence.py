"""KL(parent‖child) and cross entropy straight from final hidden states: the logits never exist whole.

A chunk of rows at a time gets its logits, gives its share of the losses and, in the same pass, of the gradients;
then the next chunk takes its memory. All is summed in float32 (float64 where the inputs are float64).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CHUNK_BYTES = {"cpu": 64 * 2**20}  # of one model's logits in float32
CHUNK_BYTES_ELSEWHERE = 512 * 2**20  # a GPU feels it sooner that each chunk reads and writes the weight's gradient
CACHE_BYTES = 2**18  # of them that a CPU thread takes through all row-wise steps, so that they stay in its cache
IGNORED = -100  # the label of a row without cross entropy

Maybe = Tensor | None


@dataclass(frozen=True)
class Losses:
    """Scalars in nats; weigh them, add them and call backward once."""

    divergence: Tensor
    language_model: Maybe  # None without labels


def fused_divergence(
    hidden: Tensor,
    weight: Tensor,
    parent_hidden: Tensor,
    parent_weight: Tensor,
    *,
    temperature: float = 1.0,
    labels: Maybe = None,
    tokens: int | None = None,
    labelled: int | None = None,
    rows_at_once: int | None = None,
) -> Losses:
    """T² · mean over tokens of KL(p_T‖q_T), and the child's mean cross entropy with `labels` (tokens,) where given.

    p_T and q_T are the softmax at temperature T of the parent's and the child's logits: `parent_hidden` (tokens,
    d_parent) times `parent_weight` (vocab, d_parent), `hidden` (tokens, d) times `weight` (vocab, d), both after the
    final norm. Gradients go to `hidden` and `weight`. They are made in the forward pass; with labels at backward,
    which costs half as much again, when it is known how the two losses are weighed: `weight` must stay as it is
    until then, and labels whose loss has no weight are best left out. Under autocast the products take its precision.

    `tokens` and `labelled` divide the sums in place of the number of rows and of valid labels (not -100): those of
    a whole step, when it is made of several micro-batches or processes whose losses are added up.
    """
    if labelled is None:
        labelled = 0 if labels is None else int((labels != IGNORED).sum())
    count = hidden.shape[0] if tokens is None else tokens
    rows = rows_at_once or _rows_within(CHUNK_BYTES.get(weight.device.type, CHUNK_BYTES_ELSEWHERE), len(weight))
    plan = _Plan(temperature, max(count, 1), max(labelled, 1), rows, _autocast(weight), torch.is_grad_enabled())
    apply: Callable[..., tuple[Tensor, Maybe]] = _FusedDivergence.apply
    return Losses(*apply(hidden, weight, parent_hidden, parent_weight, labels, plan))


def _autocast(tensor: Tensor) -> torch.dtype | None:
    """The precision of products under autocast, if it is on."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


@dataclass(frozen=True)
class _Plan:
    temperature: float
    tokens: int
    labelled: int
    rows_at_once: int
    products: torch.dtype | None  # None: that of the tensors
    wants_gradients: bool


class _FusedDivergence(torch.autograd.Function):
    """Keeps for backward: without labels the gradients of the one pass, with labels what a second pass needs."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        parent_hidden: Tensor,
        parent_weight: Tensor,
        labels: Maybe,
        plan: _Plan,
    ) -> tuple[Tensor, Maybe]:
        ctx.set_materialize_grads(False)
        ctx.plan, ctx.dtypes = plan, (hidden.dtype, weight.dtype)
        ctx.wanted = ctx.needs_input_grad[:2] if plan.wants_gradients else (False, False)
        sides = _Side.of(hidden, weight, plan), _Side.of(parent_hidden, parent_weight, plan)
        gradients = _Gradients.of(sides[0], ctx.wanted) if labels is None and any(ctx.wanted) else None
        divergence, cross_entropy = _walk(sides, labels, plan, gradients)
        inputs = (hidden, weight, parent_hidden, parent_weight, labels)
        ctx.save_for_backward(*inputs if gradients is None else (gradients.hidden, gradients.weight))
        return divergence / plan.tokens, None if labels is None else cross_entropy / plan.labelled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, divergence: Maybe, language_model: Maybe) -> tuple[Maybe, ...]:
        if divergence is None and language_model is None:
            return (None,) * 6
        if divergence is not None and len(ctx.saved_tensors) == 2:
            (hidden, weight), factor = ctx.saved_tensors, divergence * (ctx.plan.temperature / ctx.plan.tokens)
        else:
            (hidden, weight), factor = _second_pass(ctx, divergence, language_model), 1 / ctx.plan.tokens
        hidden, weight = (
            None if each is None else (each * factor).to(dtype)
            for each, dtype in zip((hidden, weight), ctx.dtypes, strict=True)
        )
        return hidden, weight, None, None, None, None


def _second_pass(ctx: Any, divergence: Maybe, language_model: Maybe) -> tuple[Maybe, Maybe]:
    """Gradients of both losses, mixed as the gradients that came down to them say, times tokens."""
    hidden, weight, parent_hidden, parent_weight, labels = ctx.saved_tensors
    plan: _Plan = ctx.plan
    first = 0.0 if divergence is None else float(divergence) * plan.temperature
    second = 0.0 if language_model is None else float(language_model) * plan.tokens / plan.labelled
    sides = _Side.of(hidden, weight, plan), _Side.of(parent_hidden, parent_weight, plan)
    gradients = _Gradients.of(sides[0], ctx.wanted, (first, second))
    _walk(sides, labels, plan, gradients)
    return gradients.hidden, gradients.weight


@dataclass(frozen=True)
class _Side:
    """One model's hidden states (tokens, d) and output embedding (vocab, d), in the precision of their product."""

    hidden: Tensor
    weight: Tensor
    sums: torch.dtype

    @classmethod
    def of(cls, hidden: Tensor, weight: Tensor, plan: _Plan) -> _Side:
        dtype = plan.products or torch.promote_types(hidden.dtype, weight.dtype)
        sums = torch.promote_types(dtype, torch.float32)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
        if hidden.device.type != "cuda":  # elsewhere no product of halves has its sums in float32
            hidden, weight = hidden.to(sums), weight.to(sums)
        return cls(hidden, weight, sums)

    def buffer(self, rows_at_once: int) -> Tensor:
        """Room for a chunk's logits, (rows, vocab)."""
        rows = min(rows_at_once, len(self.hidden))
        return torch.empty(rows, len(self.weight), dtype=self.sums, device=self.hidden.device)

    def logits(self, rows: slice, buffer: Tensor) -> Tensor:
        """Those of a chunk, written to the first rows of the buffer."""
        hidden = self.hidden[rows]
        logits = buffer[: len(hidden)]
        _multiply(hidden, self.weight.t(), logits)
        return logits


@dataclass(frozen=True)
class _Gradients:
    """Sums so far, of shares[0] · (q_T - p_T) + shares[1] · (q - y) at the logits; None where none is wanted."""

    hidden: Maybe
    weight: Maybe
    shares: tuple[float, float]

    @classmethod
    def of(cls, child: _Side, wanted: tuple[bool, bool], shares: tuple[float, float] = (1.0, 0.0)) -> _Gradients:
        hidden = torch.empty_like(child.hidden, dtype=child.sums) if wanted[0] else None
        weight = torch.zeros_like(child.weight, dtype=child.sums) if wanted[1] else None
        return cls(hidden, weight, shares)

    def add(self, child: _Side, rows: slice, at_logits: Tensor) -> None:
        at_logits, hidden = at_logits.to(child.hidden.dtype), child.hidden[rows]
        if self.hidden is not None:
            _multiply(at_logits, child.weight, self.hidden[rows])
        if self.weight is not None and hidden.dtype == self.weight.dtype:
            self.weight.addmm_(at_logits.t(), hidden)
        elif self.weight is not None:
            self.weight.add_(torch.mm(at_logits.t(), hidden, out_dtype=self.weight.dtype))


def _multiply(left: Tensor, right: Tensor, out: Tensor) -> None:
    if left.dtype == out.dtype:
        torch.mm(left, right, out=out)
    else:
        out.copy_(torch.mm(left, right, out_dtype=out.dtype))


def _walk(
    sides: tuple[_Side, _Side], labels: Maybe, plan: _Plan, gradients: _Gradients | None
) -> tuple[Tensor, Tensor]:
    """Sums of T² KL(p_T‖q_T) and of the cross entropy, 0 without labels; gradients are added chunk by chunk."""
    child, parent = sides
    buffers = child.buffer(plan.rows_at_once), parent.buffer(plan.rows_at_once)
    losses = torch.zeros(2, len(child.hidden), dtype=child.sums, device=child.hidden.device)
    rule = _RowRule(plan.temperature, None if gradients is None else gradients.shares)
    with torch.autocast(losses.device.type, enabled=False):
        for rows in _slices(len(child.hidden), plan.rows_at_once):
            pair = [side.logits(rows, buffer) for side, buffer in zip(sides, buffers, strict=True)]
            for few in _slices(len(pair[0]), _rows_in_cache(pair[0])):
                of_few = None if labels is None else labels[rows][few]
                losses[:, rows][:, few] = rule(pair[0][few], pair[1][few], of_few)
            if gradients is not None:
                gradients.add(child, rows, pair[0])
    divergence, cross_entropy = losses.sum(dim=1)
    return divergence * plan.temperature**2, cross_entropy


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def _rows_in_cache(logits: Tensor) -> int:
    """Of a chunk (rows, vocab), at least one for each CPU thread; on a GPU all of them."""
    if logits.device.type != "cpu":
        return len(logits)
    return torch.get_num_threads() * _rows_within(CACHE_BYTES, logits.shape[1])


def _rows_within(limit: int, vocabulary: int) -> int:
    """Rows of float32 logits within so many bytes."""
    return max(limit // (4 * vocabulary), 1)


@dataclass(frozen=True)
class _RowRule:
    """From the logits of both models to each row's losses and, where shares are given, the gradient at the logits."""

    temperature: float
    shares: tuple[float, float] | None

    def __call__(self, logits: Tensor, parent_logits: Tensor, labels: Maybe) -> Tensor:
        """KL(p_T‖q_T) and cross entropy, (2, rows); the gradient takes the place of the child's logits."""
        log_q, log_p = self._log_softmax(logits), self._log_softmax(parent_logits)
        difference = log_p - log_q
        p = log_p.exp_()
        divergence = torch.linalg.vecdot(p, difference)
        # The temperature is undone on log q, as a softmax does not see what was subtracted from a row.
        text = None if labels is None else _Text(torch.log_softmax(log_q * self.temperature, dim=-1), labels)
        losses = torch.stack((divergence, torch.zeros_like(divergence) if text is None else text.cross_entropy()))
        if self.shares is not None:
            torch.sub(log_q.exp_(), p, out=logits)
        if self.shares is not None and text is not None:
            text.add_gradient(logits.mul_(self.shares[0]), self.shares[1])
        return losses

    def _log_softmax(self, logits: Tensor) -> Tensor:
        return torch.log_softmax(logits if self.temperature == 1 else logits / self.temperature, dim=-1)


@dataclass(frozen=True)
class _Text:
    """log q (rows, vocab) and the tokens that follow, (rows,)."""

    log_q: Tensor
    labels: Tensor

    def cross_entropy(self) -> Tensor:
        """-log q of each row's label, 0 where it is ignored."""
        of_labels = self.log_q.gather(1, self.labels.clamp_min(0)[:, None])[:, 0]
        return torch.where(self.labels == IGNORED, 0.0, -of_labels)

    def add_gradient(self, gradient: Tensor, share: float) -> None:
        """Adds share · (q - y) to the gradient (rows, vocab), with nothing for ignored rows; uses log q up."""
        shares = torch.where(self.labels == IGNORED, 0.0, share).to(gradient.dtype)[:, None]
        gradient.addcmul_(self.log_q.exp_(), shares).scatter_add_(1, self.labels.clamp_min(0)[:, None], -shares)
