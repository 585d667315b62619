"""The models that are compared: opened as they are used, and known by what is in their folders."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.files import sha256_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PLAIN = (
    "{% for message in messages %}{{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Answer: {% endif %}"
)
_WHAT_COUNTS = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt")


@dataclass(frozen=True)
class EvaluatedModel:
    """A folder under the name that tables have for it; weights are loaded when a task first asks for them."""

    name: str
    folder: Path

    @cached_property
    def fingerprint(self) -> str:
        """Of weights, config and tokenizer, whatever the folder is called."""
        files = sorted({file for pattern in _WHAT_COUNTS for file in self.folder.glob(pattern)})
        states = [[file.name, sha256_of(file)] for file in files]
        return hashlib.sha256(json.dumps(states).encode()).hexdigest()[:32]

    @cached_property
    def model(self) -> PreTrainedModel:
        return open_model(self.folder)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """With the model's chat template; with a plain one where it has none."""
        from blockwright.post_training.models import open_tokenizer

        tokenizer = open_tokenizer(self.folder)
        if tokenizer.chat_template is None:
            tokenizer.chat_template = PLAIN
        return tokenizer


def open_model(folder: Path) -> PreTrainedModel:
    """A child with its own class, anything else with that of transformers; code out of checkpoints is never run."""
    from transformers import AutoModelForCausalLM

    from blockwright.child.config_reading import is_child
    from blockwright.post_training.models import open_answering, opened_with

    if is_child(folder):
        return open_answering(folder)
    model: PreTrainedModel = opened_with(AutoModelForCausalLM, folder)
    return model
