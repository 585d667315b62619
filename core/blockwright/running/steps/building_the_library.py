"""01-library: the weights of every variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.construction import LibrarySettings
from blockwright.executors import HERE, Executor
from blockwright.files import write_json
from blockwright.library import OutlinedLibrary
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.searching.pricing import Space

if TYPE_CHECKING:
    from blockwright.library import Library


@dataclass(frozen=True)
class LibraryStep(Step):
    space: Space
    settings: LibrarySettings
    seed: int
    executor: Executor = HERE
    weights: bool = True

    def run(self, files: RunFiles, folder: Path) -> None:
        """One file a sub-block, those that a killed run finished are kept; then `decisions.json` for the report.

        Without weights only which variants there would be.
        """
        if not self.weights:
            specs = {str(sub_block): [spec.to_dict() for spec in specs] for sub_block, specs in self.space.items()}
            write_json(folder / OutlinedLibrary.FILE, specs)
            return
        tokens = files.training_tokens
        library = self._library(files, folder)
        write_json(folder / "decisions.json", _decisions(library, tokens["heldback"].numel()))

    def _library(self, files: RunFiles, folder: Path) -> Library:
        """Built here, or taken from where somebody shares one."""
        from blockwright.building.library import build_library
        from blockwright.iterating.base import space_from
        from blockwright.sharing.parcel import import_library

        if self.settings.shared is not None:
            return import_library(Path(self.settings.shared), files.parent, self.space, folder)
        tokens, settings, base = files.training_tokens, self.settings, files.base
        space = self.space if base is files.parent else space_from(base, self.space, files.variants)
        return build_library(base, space, files.variants, tokens, settings, folder, self.seed, self.executor)


def _decisions(library: Library, tokens: int) -> dict[str, dict[str, dict[str, float]]]:
    """By sub-block, variant and way of building it: expected loss on held-back text, in nats per token."""
    return {
        str(sub_block): {
            label: {way: loss / tokens for way, loss in losses.items()}
            for label, losses in library.decisions(sub_block).items()
        }
        for sub_block in library.sub_blocks()
    }
