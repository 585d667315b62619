"""Keeps transformers and huggingface_hub from drawing bars and logging while Blockwright calls them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no log lines below errors inside the with-block; the settings of before come back after it."""
    from huggingface_hub import utils as hub
    from transformers.utils import logging

    verbosity, had_bars, hub_had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled(), _hub_has_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub.disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
        if hub_had_bars:
            hub.enable_progress_bars()


def _hub_has_bars() -> bool:
    from huggingface_hub.utils import are_progress_bars_disabled

    return not are_progress_bars_disabled()


@contextmanager
def without_gguf_bar() -> Iterator[None]:
    """The reader of GGUF files draws a bar that no setting of transformers turns off."""
    from transformers import modeling_gguf_pytorch_utils as reader

    bar = reader.tqdm
    reader.tqdm = lambda tensors, **unused: tensors
    try:
        yield
    finally:
        reader.tqdm = bar
