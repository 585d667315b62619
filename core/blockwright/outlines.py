"""A model by its sizes alone, to be priced without its weights: `outline("owner/model").graph({"ffn.3": "skip"})`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.costs.parts import PlacedVariant
from blockwright.errors import UserError
from blockwright.graph.block_graph import BlockGraph
from blockwright.graph.building import Outline, graph_of
from blockwright.parent import ParentSettings
from blockwright.plugins import installed_plugins
from blockwright.variants import Slot, SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.parent import Parent

Entry = str | Mapping[str, object]  # a variant as a search space has it: `skip`, `{"narrow": "50%"}`


@dataclass(frozen=True)
class ModelOutline:
    """What a model's config says of it; `parent` has no weights."""

    parent: Parent

    def variant(self, slot: Slot, entry: Entry) -> PlacedVariant:
        """A variant on this model's attention or FFN; UserError for one that is unknown or does not fit."""
        return PlacedVariant.of(self._spec(slot, entry), self.parent.shape(slot), installed_plugins().variants)

    def graph(self, changes: Mapping[str, Entry] | None = None) -> BlockGraph:
        """The model's block graph, with some sub-blocks changed: `{"attention.3": "skip"}`.

        ValueError for a sub-block that the model does not have, UserError for a variant that does not fit.
        """
        placed = {SubBlock.parse(name): entry for name, entry in (changes or {}).items()}
        assignment = {sub_block: self._spec(sub_block.slot, entry) for sub_block, entry in placed.items()}
        return graph_of(Outline.of(self.parent), assignment, installed_plugins().variants)

    def _spec(self, slot: Slot, entry: Entry) -> VariantSpec:
        from blockwright.spaces.reading import resolve_space

        space, mistakes = resolve_space({slot: [entry]}, self.parent, installed_plugins().variants)
        if mistakes:
            raise UserError(*(f"{slot}: {mistake.message}" for mistake in mistakes))
        return space[SubBlock(0, slot)][-1]


def outline(model: str, gguf_file: str | None = None, revision: str | None = None) -> ModelOutline:
    """Of a folder, a hub id (owner/model) or `package:NAME`; only its config is read."""
    from blockwright.recipes.parent_outline import outline_parent

    settings = ParentSettings(model=model, gguf_file=gguf_file, revision=revision)
    return ModelOutline(outline_parent(settings, installed_plugins().families))
