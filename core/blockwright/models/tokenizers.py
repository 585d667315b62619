"""Tokenizers out of checkpoints, whose own code is never run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.models.configs import understood
from blockwright.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """UserError for a folder whose tokenizer cannot be made, or only by code that it brings.

    Without a word on remote code transformers asks the terminal whether it may be run.
    """
    from transformers import AutoTokenizer

    with quiet_transformers(), understood(folder / "tokenizer_config.json"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return tokenizer
