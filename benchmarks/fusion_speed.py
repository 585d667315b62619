"""What fusion saves on this machine: the children of `fusion_children.py` before and after it, in torch.

Each round times both, the first one in turn. Ratios are of such pairs, and their median and quartiles are told.
`fusion_speed.py ROUNDS THREADS COUNT …` takes other numbers of rounds, threads and skipped attentions.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from common import print_table
from fusion_children import SKIPPED
from transformers import AutoModelForCausalLM

import blockwright
from blockwright.models.generation import Decoding, stream

ROUNDS, PROMPT, TOKENS = 21, 512, 32
Model = torch.nn.Module
Pair = tuple[float, float]  # milliseconds before and after fusion


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    rounds, threads = (*given[:2], *(ROUNDS, torch.get_num_threads())[len(given) :])
    torch.set_num_threads(threads)
    rows = [row for count in given[2:] or SKIPPED for row in _rows(count, rounds)]
    header = ("attentions skipped", "what", "before, ms", "fused, ms", "speed-up", "its quartiles")
    print_table(f"{rounds} pairs, batch 1, float32, {threads} threads", header, rows)


def _rows(count: int, rounds: int) -> Iterator[Sequence[object]]:
    files = blockwright.open_run(f"fusion-{count}").files
    before, after = (_model(place) for place in (files.built_child(), files.child_after("06-ffn-fusion")))
    for what, timed in ((f"prefill of {PROMPT} tokens", _prefill), (f"decode behind {PROMPT} tokens, each", _decode)):
        pairs = list(_pairs(timed, before, after, rounds))
        low, middle, high = statistics.quantiles([first / second for first, second in pairs], n=4)
        medians = (statistics.median(column) for column in zip(*pairs, strict=True))
        yield count, what, *medians, middle, f"{low:.3f}-{high:.3f}"


def _model(place: Path) -> Model:
    return AutoModelForCausalLM.from_pretrained(place).eval()  # type: ignore[no-any-return]


def _pairs(timed: Callable[[Model], float], before: Model, after: Model, rounds: int) -> Iterator[Pair]:
    for model in (before, after):
        timed(model)
    for turn in range(rounds):
        if turn % 2:
            second, first = timed(after), timed(before)
        else:
            first, second = timed(before), timed(after)
        yield first, second


def _prefill(model: Model) -> float:
    tokens = torch.arange(PROMPT)[None]
    with torch.inference_mode():
        start = time.perf_counter()
        model(input_ids=tokens, logits_to_keep=1)
        return (time.perf_counter() - start) * 1000


def _decode(model: Model) -> float:
    """The first token comes out of the prompt, and is not timed."""
    replies = stream(model, list(range(PROMPT)), Decoding(max_tokens=TOKENS + 1, temperature=0.0), frozenset())  # type: ignore[arg-type]
    next(replies)
    start = time.perf_counter()
    for _ in replies:
        pass
    return (time.perf_counter() - start) * 1000 / TOKENS


if __name__ == "__main__":
    main()
