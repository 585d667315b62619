"""A child as TRL trains it: our own classes, weights in float32, the fastest attention that is there."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from blockwright.models.configs import CONFIG, read_config_json, understood
from blockwright.models.devices import best_device
from blockwright.models.quiet import quiet_transformers
from blockwright.models.tokenizers import read_tokenizer
from blockwright.models.weights import SafetensorsSource

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

Precision = Literal["auto", "fp32", "bf16"]


def open_trainee(child: Path, precision: Precision = "auto") -> BlockwrightForCausalLM:
    """The child in a folder, in float32 and without a cache; half precision is the trainer's autocast.

    Where a launcher has started many processes, each opens it, and the trainer shares it out.
    """
    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

    attention = best_attention(best_device(), precision)
    with quiet_transformers():
        model: BlockwrightForCausalLM = BlockwrightForCausalLM.from_pretrained(
            child, dtype=torch.float32, attn_implementation=attention
        )
    model.config.use_cache = False
    return model


def open_answering(child: Path) -> BlockwrightForCausalLM:
    """The child as it is used: in bf16 on a GPU, in float32 on a CPU, with its cache."""
    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

    model: BlockwrightForCausalLM = opened_with(BlockwrightForCausalLM, child)
    return model


def opened_with(opener: Any, folder: Path) -> Any:
    """Any model as it is used, by its class or one of transformers' Auto classes; its own code is never run."""
    device = best_device()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    read_config_json(folder)
    SafetensorsSource(folder)  # refuses a folder of pickles, and an index that leads elsewhere
    with quiet_transformers(), understood(folder / CONFIG):
        model = opener.from_pretrained(folder, dtype=dtype, trust_remote_code=False, use_safetensors=True)
    torch.nn.Module.to(model, device)  # transformers types its own as a function without self
    model.eval()
    return model


def open_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint; one without padding pads with its end, which no loss and no mask counts."""
    tokenizer = read_tokenizer(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def uses_bf16(precision: Precision) -> bool:
    return precision == "bf16" or (precision == "auto" and torch.cuda.is_available())


def best_attention(device: torch.device, precision: Precision) -> str:
    """flash-attn knows half precision alone, and GPUs alone."""
    has_flash = importlib.util.find_spec("flash_attn") is not None
    return "flash_attention_2" if device.type == "cuda" and has_flash and uses_bf16(precision) else "sdpa"


@contextmanager
def with_cache(model: BlockwrightForCausalLM) -> Iterator[None]:
    """The model answers in the with-block: evaluation mode, no gradients, its cache on."""
    training, use_cache = model.training, model.config.use_cache
    model.eval()
    model.config.use_cache = True
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
        model.config.use_cache = use_cache
