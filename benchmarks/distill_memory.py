"""Memory and time of the distillation loss, forward and backward: fused against the plain formula."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass

import torch
from common import peak_gib, print_table
from torch import Tensor, nn

VOCABULARY, TOKENS, HIDDEN = 128_256, 4096, 512
WAYS = ("plain", "fused", "plain with labels", "fused with labels")  # labels: the cross entropy as well
ROUNDS = 2  # of all ways in turn; each way's least counts
TARGET = 1 / 3


@dataclass(frozen=True)
class Run:
    """One loss in a process of its own; memory is what it takes beyond its inputs."""

    memory_gib: float
    cpu_s: float
    loss: float


def main() -> None:
    rounds = [{way: _measured(way) for way in WAYS} for _ in range(ROUNDS)]
    rows = [_row(way, rounds) for way in WAYS]
    header = ("loss", "peak beyond the inputs, GiB", "to plain", "CPU s", "to plain", "value, nats")
    shape = f"{TOKENS} tokens, vocabulary {VOCABULARY}, hidden {HIDDEN}, float32, one thread"
    print_table(f"The distillation loss forward and backward: {shape}", header, rows)
    print(f"\nTarget: at most {TARGET:.3f} of the plain formula's memory.")


def _row(way: str, rounds: list[dict[str, Run]]) -> tuple[object, ...]:
    of_plain = way.replace("fused", "plain")
    memory, plain_memory = (min(runs[each].memory_gib for runs in rounds) for each in (way, of_plain))
    seconds, plain_seconds = (min(runs[each].cpu_s for runs in rounds) for each in (way, of_plain))
    value = f"{rounds[0][way].loss:.7f}"
    return way, memory, memory / plain_memory, seconds, seconds / plain_seconds, value


def _measured(way: str) -> Run:
    done = subprocess.run([sys.executable, __file__, way], check=True, capture_output=True, text=True)
    return Run(*json.loads(done.stdout.splitlines()[-1]))


def run(way: str) -> None:
    torch.set_num_threads(1)
    inputs = _inputs()
    labels = torch.randint(0, VOCABULARY, (TOKENS,)) if way.endswith("labels") else None
    before, start = peak_gib(), time.process_time()
    loss = _fused(inputs, labels) if way.startswith("fused") else _plain(inputs, labels)
    loss.backward()
    print(json.dumps([peak_gib() - before, time.process_time() - start, loss.item()]))


def _inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hidden states and output embeddings of the child and of a parent that is not far from it."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(TOKENS, HIDDEN), torch.randn(VOCABULARY, HIDDEN).mul_(HIDDEN**-0.5)
    parent = hidden + 0.3 * torch.randn(TOKENS, HIDDEN)
    return hidden.requires_grad_(), weight.requires_grad_(), parent, weight.detach().clone()


def _fused(inputs: tuple[Tensor, Tensor, Tensor, Tensor], labels: Tensor | None) -> Tensor:
    from blockwright.healing.fused_divergence import fused_divergence

    losses = fused_divergence(*inputs, labels=labels)
    return losses.divergence if losses.language_model is None else losses.divergence + losses.language_model


def _plain(inputs: tuple[Tensor, Tensor, Tensor, Tensor], labels: Tensor | None) -> Tensor:
    hidden, weight, parent_hidden, parent_weight = inputs
    with torch.no_grad():
        log_p = nn.functional.log_softmax(parent_hidden @ parent_weight.T, dim=-1)
    logits = hidden @ weight.T
    log_q = nn.functional.log_softmax(logits, dim=-1)
    divergence = nn.functional.kl_div(log_q, log_p, log_target=True, reduction="batchmean")
    return divergence if labels is None else divergence + nn.functional.cross_entropy(logits, labels)


if __name__ == "__main__":
    if sys.argv[1:]:
        run(sys.argv[1])
    else:
        main()
