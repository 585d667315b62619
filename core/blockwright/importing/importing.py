"""A published checkpoint as a child: its folder written, or only its block graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.files import write_directory_atomically
from blockwright.importing.block_configs import child_settings
from blockwright.models.configs import CONFIG, read_config_json, understood
from blockwright.models.weights import SafetensorsSource, Stored, other_tensors
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.graph.block_graph import BlockGraph

THEIR_NAMES = {"self_attn.linear.": "self_attn.linear_attn.", "mlp.linear.": "mlp.linear_mlp."}
NOT_WEIGHTS = ("rotary_emb.inv_freq",)
_TOLD = 5


class TheirSource:
    """The published weights under a child's names."""

    def __init__(self, directory: Path) -> None:
        self._source = SafetensorsSource(directory)
        self._name_of = {_ours(name): name for name in self._source.names() if not name.endswith(NOT_WEIGHTS)}

    def names(self) -> Iterable[str]:
        return self._name_of.keys()

    def stored(self) -> Mapping[str, Stored]:
        """What the files' headers say, by a child's names."""
        stored = self._source.stored()
        return {ours: stored[theirs] for ours, theirs in self._name_of.items()}

    def read(self, name: str) -> Tensor:
        return self._source.read(self._name_of[name])


def import_child(folder: Path, destination: Path) -> None:
    """Writes `destination`, which must not be there yet, one tensor in memory at a time.

    UserError for what a child cannot express, and for tensors that the config does not explain or that are missing.
    """
    from blockwright.child.checkpoint import CheckpointSettings, write_checkpoint
    from blockwright.models.stack import LayerStack

    config, source = read_config(folder), TheirSource(folder)
    _check_names(folder, config, source)
    if destination.exists():
        raise UserError(f"{destination}: is there already; name a folder that is not")
    with write_directory_atomically(destination) as beside:
        write_checkpoint(beside, LayerStack(config, source), folder, CheckpointSettings())
    emit("child_imported", path=str(destination), layers=config.num_hidden_layers)


def read_config(folder: Path) -> BlockwrightConfig:
    """From `config.json` alone; no code of the checkpoint is run."""
    from blockwright.child.configuration_blockwright import BlockwrightConfig

    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no config.json in it; name the folder of a checkpoint")
    try:
        with understood(folder / CONFIG):
            return BlockwrightConfig(**child_settings(read_config_json(folder)))
    except UserError as error:
        raise UserError(*(f"{folder}: {line}" for line in error.lines)) from None


def imported_graph(folder: Path) -> BlockGraph:
    """The block graph of a published model or of a child, from its config; weights need not be there."""
    from blockwright.child.config_reading import is_child, read_child_config

    return graph_of_config(read_child_config(folder) if is_child(folder) else read_config(folder))


def graph_of_config(config: BlockwrightConfig) -> BlockGraph:
    """A child's graph without the run that made it."""
    from blockwright.exporting.architecture import parent_of
    from blockwright.graph.building import Outline, graph_of
    from blockwright.parent import Parent
    from blockwright.plugins import installed_plugins

    outline = Outline.of(Parent(Path(), parent_of(config), config.model_type))
    return graph_of(outline, assignment_of(config), installed_plugins().variants)


def assignment_of(config: BlockwrightConfig) -> dict[SubBlock, VariantSpec]:
    """The variants that its layers are of, as labels of the strip have them; an FFN that was fused is a wide one."""
    from blockwright.exporting.architecture import strip_of_config

    strip = strip_of_config(config)
    return {cell.sub_block: _spec(cell.sub_block, cell.label) for cell in (*strip.attention, *strip.ffn)}


def _spec(sub_block: SubBlock, label: str) -> VariantSpec:
    kind, _, number = label.partition("=")
    kind, option = {"kv_heads": ("kv_heads", "heads"), "narrow": ("narrow", "width"), "wide": ("narrow", "width")}.get(
        kind, (kind, "")
    )
    return VariantSpec(sub_block.slot, kind, ((option, int(number)),) if option else ())


def _ours(name: str) -> str:
    for ours, theirs in THEIR_NAMES.items():
        name = name.replace(theirs, ours)
    return name


def _check_names(folder: Path, config: BlockwrightConfig, source: TheirSource) -> None:
    from blockwright.child.checkpoint import planned_tensors

    with understood(folder / CONFIG):
        planned = planned_tensors(config)
    known = {tensor.name for tensor in planned} | ({"lm_head.weight"} if config.tie_word_embeddings else set())
    stored = source.stored()
    unexplained = sorted(stored.keys() - known)
    lines = other_tensors(stored, planned)
    if unexplained:
        more = " …" if len(unexplained) > _TOLD else ""
        lines.append(f"its config does not explain: {', '.join(unexplained[:_TOLD])}{more}")
    if lines:
        raise UserError(*(f"{folder}: {line}" for line in lines))
