"""01-library: the weights of every variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockwright.construction import LibrarySettings
from blockwright.pricing import Space
from blockwright.run_files import RunFiles
from blockwright.steps.step import Step


@dataclass(frozen=True)
class LibraryStep(Step):
    space: Space
    settings: LibrarySettings
    seed: int

    def run(self, files: RunFiles, folder: Path) -> None:
        """One file a sub-block; those that a killed run finished are kept."""
        from blockwright.library_building import build_library

        tokens = files.training_tokens
        build_library(files.parent, self.space, files.variants, tokens, self.settings, folder, self.seed)
