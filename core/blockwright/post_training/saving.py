"""A trained model back on disk, as the child that it is, with the chat template that it was trained with."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.child.checkpoint import CheckpointSettings, planned_tensors, stored_dtype, write_checkpoint
from blockwright.child.config_reading import read_child_config
from blockwright.files import write_directory_atomically, write_json
from blockwright.models.stack import LayerStack
from blockwright.training.models import ModelSource

if TYPE_CHECKING:
    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

TEMPLATE = "chat_template.jinja"


def save_trained(
    directory: Path,
    model: BlockwrightForCausalLM,
    given: Path,
    chat_template: str | None = None,
    end_tokens: Iterable[int] = (),
) -> None:
    """Writes `model`, which came of the child in `given`: config, precision and companions are that child's.

    `chat_template` takes the place of the child's own; generation ends at `end_tokens` too. Of a model that is shared
    out over processes, all of them call this; the first writes.
    """
    config = read_child_config(given)
    stack = LayerStack(config, ModelSource(model))
    if not is_first_process():
        for tensor in planned_tensors(config):
            stack.read(tensor.name)
        return
    shutil.rmtree(directory, ignore_errors=True)
    with write_directory_atomically(directory) as beside:
        write_checkpoint(beside, stack, given, CheckpointSettings(dtype=stored_dtype(given)))
        if chat_template is not None:
            write_template(beside, chat_template)
        end_generation_at(beside, end_tokens)


def write_template(directory: Path, chat_template: str) -> None:
    """The only template of a checkpoint: one inside the tokenizer's config goes."""
    (directory / TEMPLATE).write_text(chat_template)
    path = directory / "tokenizer_config.json"
    if path.exists():
        config = json.loads(path.read_text())
        if config.pop("chat_template", None) is not None:
            write_json(path, config)


def end_generation_at(directory: Path, end_tokens: Iterable[int]) -> None:
    """Adds to the tokens at which generation ends, where they are not among them."""
    path = directory / "generation_config.json"
    settings = json.loads(path.read_text()) if path.exists() else {}
    ends = settings.get("eos_token_id")
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    added = [token for token in end_tokens if token not in known]
    if added:
        write_json(path, {**settings, "eos_token_id": [*known, *added]})


def is_first_process() -> bool:
    """Of those that a launcher has started; a process alone is the first."""
    return int(os.environ.get("RANK", "0")) == 0
