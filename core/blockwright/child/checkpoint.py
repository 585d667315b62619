"""The child on disk: a plain HF folder, written tensor by tensor, that loads with Blockwright or with its own code."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt

from blockwright.child.config_reading import read_child_config
from blockwright.child.configuration_blockwright import AUTO_MAP
from blockwright.child.modeling_blockwright import DecoderLayer, write_code
from blockwright.files import copy_licences, write_directory_atomically
from blockwright.models.configs import CONFIG, understood
from blockwright.models.sharding import DType, PlannedTensor, write_sharded
from blockwright.models.weights import SafetensorsSource, refuse_other_tensors

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.stack import LayerStack
    from blockwright.parent import Parent

GIB = 1024**3
TOKENIZER_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "chat_template*",
)


class CheckpointSettings(BaseModel):
    """How a child is stored: `parent` keeps the precision of the parent's own weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dtype: Literal["parent"] | DType = "parent"
    shard_bytes: PositiveInt = 4 * GIB


def write_child(directory: Path, stack: LayerStack, parent: Parent, settings: CheckpointSettings | None = None) -> None:
    """Writes the child that `stack` reads; a folder that is there already is finished, and stays as it is.

    One tensor is in memory at a time. The folder takes its name when it is whole; equal children give equal bytes.
    """
    if (directory / "config.json").exists():
        return
    with write_directory_atomically(directory) as beside:
        write_checkpoint(beside, stack, parent.directory, settings or CheckpointSettings())


def write_checkpoint(directory: Path, stack: LayerStack, companions: Path, settings: CheckpointSettings) -> None:
    """Fills an empty folder; precision, tokenizer and generation settings are those of the folder `companions`."""
    dtype = stored_dtype(companions) if settings.dtype == "parent" else settings.dtype
    write_sharded(directory, planned_tensors(stack.config), stack.read, dtype, settings.shard_bytes)
    _write_config(directory, stack.config, dtype)
    write_code(directory, stack.config)
    copy_companions(companions, directory)


def open_child(directory: Path) -> LayerStack:
    """A child's checkpoint as a stack that reads one layer at a time."""
    from blockwright.models.stack import LayerStack

    config, source = read_child_config(directory), SafetensorsSource(directory)
    with understood(directory / CONFIG):
        planned = planned_tensors(config)
    refuse_other_tensors(directory, source.stored(), planned)
    return LayerStack(config, source)


def planned_tensors(config: BlockwrightConfig) -> list[PlannedTensor]:
    """The names and shapes of a child's weights, in the order that data takes; a tied head is not stored."""
    layers = (_layer_tensors(config, index) for index in range(config.num_hidden_layers))
    return _around(config, [tensor for layer in layers for tensor in layer])


def planned_tensors_of_equal_layers(config: BlockwrightConfig) -> list[PlannedTensor]:
    """The same of a dense parent, of which one layer tells the shapes of all."""
    first = [(tensor.name.removeprefix("model.layers.0."), tensor.shape) for tensor in _layer_tensors(config, 0)]
    layers = range(config.num_hidden_layers)
    return _around(
        config, [PlannedTensor(f"model.layers.{index}.{name}", shape) for index in layers for name, shape in first]
    )


def _around(config: BlockwrightConfig, layers: Sequence[PlannedTensor]) -> list[PlannedTensor]:
    vocabulary = (config.vocab_size, config.hidden_size)
    norm = PlannedTensor("model.norm.weight", (config.hidden_size,))
    plan = [PlannedTensor("model.embed_tokens.weight", vocabulary), *layers, norm]
    return plan if config.tie_word_embeddings else [*plan, PlannedTensor("lm_head.weight", vocabulary)]


def _layer_tensors(config: BlockwrightConfig, index: int) -> Iterator[PlannedTensor]:
    with torch.device("meta"):
        layer = DecoderLayer(config, index)
    for name, tensor in layer.state_dict().items():
        yield PlannedTensor(f"model.layers.{index}.{name}", tuple(tensor.shape))


def copy_companions(source: Path, target: Path) -> None:
    """Copies what stands beside weights and config: tokenizer, chat template, generation settings, licences."""
    for file in _companions(source):
        shutil.copyfile(file, target / file.name)
    copy_licences(source, target)


def copy_absent_companions(source: Path, target: Path) -> None:
    """Only what a checkpoint that somebody else has written lacks; of two tokenizers' files none are mixed."""
    has_tokenizer = any(target.glob("tokenizer*"))
    for file in _companions(source):
        of_tokenizer = file.name != "generation_config.json"
        if not (target / file.name).exists() and not (has_tokenizer and of_tokenizer):
            shutil.copyfile(file, target / file.name)
    copy_licences(source, target)


def _companions(source: Path) -> Iterator[Path]:
    for pattern in (*TOKENIZER_FILES, "generation_config.json"):
        yield from (file for file in sorted(source.glob(pattern)) if file.is_file())


def stored_dtype(directory: Path) -> DType:
    """The precision of a checkpoint's weights; float32 where it is one that a child is not stored in."""
    known: dict[torch.dtype, DType] = {torch.bfloat16: "bfloat16", torch.float16: "float16"}
    return known.get(SafetensorsSource(directory).read("model.norm.weight").dtype, "float32")


def _write_config(directory: Path, config: BlockwrightConfig, dtype: DType) -> None:
    written = copy.deepcopy(config)
    written.architectures = ["BlockwrightForCausalLM"]
    written.auto_map = dict(AUTO_MAP)
    written.dtype = dtype
    written.save_pretrained(directory)
