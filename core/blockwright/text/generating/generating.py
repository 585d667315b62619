"""From a model and settings to a file of what the model writes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.text.generating.output import Output, Progress
from blockwright.text.generating.prompts import Prompt, prompts
from blockwright.text.generating.sampling import Sampler
from blockwright.text.generating.settings import SamplingSettings
from blockwright.text.sequences import decoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST_SILENT = 256  # texts in a row in which the model says nothing
Record = Mapping[str, object]


def generate_data(model: str, directory: Path, out: Path, settings: SamplingSettings) -> Progress:
    """Appends to `out` until its documents hold the tokens that are asked for; `model` is what they are said to be of.

    The same settings give the same file, however often the writing is interrupted.
    """
    output = Output(out, {"model": model, **settings.origin})
    progress = output.resume(settings.tokens)
    if progress.tokens >= settings.tokens:
        return progress
    sampler = Sampler(directory)
    stream = prompts(settings, sampler.tokenizer, longest=sampler.positions // 2)
    rest = islice(stream, progress.batch * settings.batch, None)
    start, before, silent = time.perf_counter(), progress.tokens, 0
    while progress.tokens < settings.tokens:
        chosen = list(islice(rest, settings.batch))
        records = list(_up_to(settings.tokens - progress.tokens, _sampled(sampler, chosen, settings, progress.batch)))
        silent = 0 if records else silent + len(chosen)
        _refuse_silence(silent)
        output.append(progress.batch, records)
        progress = _after(progress, records)
        _tell(progress, settings, (progress.tokens - before) / (time.perf_counter() - start))
    return progress


def _refuse_silence(documents: int) -> None:
    """Of a model that ends one text after another at once, more batches would not bring more."""
    if documents >= MOST_SILENT:
        raise UserError(f"the model ended {documents} texts in a row at once; name other --prompts")


def _sampled(
    sampler: Sampler, chosen: Sequence[Prompt], settings: SamplingSettings, batch: int
) -> Iterator[tuple[Record, int]]:
    """Records with their tokens; nothing where the model ended at once."""
    seed = int.from_bytes(hashlib.sha256(f"{settings.seed}/{batch}".encode()).digest()[:7])
    made = sampler.sample([prompt.tokens for prompt in chosen], settings, seed)
    for prompt, tokens in zip(chosen, made, strict=True):
        record = _record(prompt, tokens, sampler.tokenizer)
        if record is not None:
            yield record, len(tokens)


def _record(prompt: Prompt, made: list[int], tokenizer: PreTrainedTokenizerBase) -> Record | None:
    answer = decoded(made, tokenizer)
    if not answer.strip():
        return None
    if prompt.messages is not None:
        return {"messages": [*prompt.messages, {"role": "assistant", "content": answer}]}
    return {"text": decoded([*prompt.tokens, *made], tokenizer)}


def _up_to(tokens: int, records: Iterable[tuple[Record, int]]) -> Iterator[tuple[Record, int]]:
    """As many records as it takes to reach so many tokens."""
    for record, size in records:
        if tokens <= 0:
            return
        yield record, size
        tokens -= size


def _after(progress: Progress, records: Sequence[tuple[Record, int]]) -> Progress:
    tokens = progress.tokens + sum(size for _, size in records)
    return Progress(progress.batch + 1, progress.documents + len(records), tokens)


def _tell(progress: Progress, settings: SamplingSettings, tokens_per_s: float) -> None:
    done = min(progress.tokens, settings.tokens)
    speed = round(tokens_per_s, 1)
    emit("batch_generated", done=done, total=settings.tokens, documents=progress.documents, tokens_per_s=speed)
