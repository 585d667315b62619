"""Keeps transformers and huggingface_hub from drawing bars and logging while Blockwright calls them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no log lines below errors in the with-block; the settings of before come back after it."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    verbosity, had_bars, hub_has_none = (
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
        are_progress_bars_disabled(),
    )
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
        if not hub_has_none:
            enable_progress_bars()


@contextmanager
def without_gguf_bar() -> Iterator[None]:
    """The reader of GGUF files draws a bar that no setting of transformers turns off."""
    from transformers import modeling_gguf_pytorch_utils

    reader = vars(modeling_gguf_pytorch_utils)
    bar = reader["tqdm"]
    reader["tqdm"] = lambda tensors, **unused: tensors
    try:
        yield
    finally:
        reader["tqdm"] = bar
