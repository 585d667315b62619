"""`torch`: the child's own class with its key-value cache, greedy, without the machinery of `generate`."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from blockwright.engines import Engine, Load, Pace
from blockwright.precision import Precision

if TYPE_CHECKING:
    import torch

    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

WARM_TOKENS = 8


class TorchEngine(Engine):
    """On a GPU where there is one. On one thread of a CPU its own time counts, which other programs hardly touch."""

    name = "torch"
    precisions: ClassVar[Mapping[Precision, Sequence[str]]] = {"fp32": (), "bf16": (), "fp16": ()}

    @property
    def precision(self) -> Precision:
        usual: Precision = "fp32" if self.device == "cpu" else "bf16"
        return self.settings.precision or usual

    @property
    def device(self) -> str:
        from blockwright.models.devices import best_device

        return best_device().type

    def version(self) -> str:
        import torch

        return f"torch {torch.__version__}"

    @contextmanager
    def open(self, model: Path, load: Load) -> Iterator[Callable[[], Pace]]:
        opened = _opened(model, self.precision, self.device)

        def timed(these: Load = load) -> Pace:
            with _threads(self.settings.threads):
                return _Greedy(opened, these, self._clock()).pace()

        timed(Load(min(WARM_TOKENS, load.prefill), 1, load.batches))
        yield timed

    def _clock(self) -> Callable[[], float]:
        """Milliseconds from some start."""
        if self.device != "cpu":
            return _after_the_gpu
        return _of_this_process if self.settings.threads == 1 else _by_the_clock


class _Greedy:
    """A prompt of random tokens, then the likeliest token again and again."""

    def __init__(self, model: BlockwrightForCausalLM, load: Load, clock: Callable[[], float]) -> None:
        import torch

        self.model, self.load, self._clock = model, load, clock
        draw = torch.Generator().manual_seed(0)
        self._prompt = torch.randint(model.config.vocab_size, (1, load.prefill), generator=draw).to(model.device)

    def pace(self) -> Pace:
        """One round: the prompt, then each batch upon copies of its cache."""
        import torch
        from transformers import DynamicCache

        with torch.inference_mode():
            cache = DynamicCache(config=self.model.config)
            start = self._clock()
            token = self._step(self._prompt, cache, 0)
            prefill_ms = self._clock() - start
            decoding = {batch: self._decode(token, cache, batch) for batch in self.load.batches}
        return Pace(prefill_ms, decoding)

    def _decode(self, token: torch.Tensor, prompt: object, batch: int) -> float:
        """Milliseconds of a step, over all of them; token: (1, 1)."""
        cache, tokens = copy.deepcopy(prompt), token.repeat(batch, 1)
        cache.batch_repeat_interleave(batch)  # type: ignore[attr-defined]
        start = self._clock()
        for step in range(self.load.decode):
            tokens = self._step(tokens, cache, self.load.prefill + step)
        return (self._clock() - start) / self.load.decode

    def _step(self, tokens: torch.Tensor, cache: object, seen: int) -> torch.Tensor:
        """tokens (batch, new) -> the next ones (batch, 1)."""
        import torch

        from blockwright.child.modeling_blockwright import CACHE_ARGUMENT

        places = torch.arange(seen, seen + tokens.shape[1], device=tokens.device)[None]
        outputs = self.model(
            input_ids=tokens, position_ids=places, use_cache=True, logits_to_keep=1, **{CACHE_ARGUMENT: cache}
        )
        following: torch.Tensor = outputs.logits[:, -1:].argmax(-1)
        return following


def _opened(model: Path, precision: Precision, device: str) -> BlockwrightForCausalLM:
    import torch

    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
    from blockwright.models.quiet import quiet_transformers

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    with quiet_transformers():
        opened: BlockwrightForCausalLM = BlockwrightForCausalLM.from_pretrained(model, dtype=dtype)
    torch.nn.Module.to(opened, torch.device(device))  # transformers types its own as a function without self
    opened.eval()
    return opened


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _of_this_process() -> float:
    return time.process_time_ns() / 1e6


def _by_the_clock() -> float:
    return time.perf_counter_ns() / 1e6


def _after_the_gpu() -> float:
    import torch

    torch.cuda.synchronize()
    return time.perf_counter_ns() / 1e6
