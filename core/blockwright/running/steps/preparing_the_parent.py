"""00-parent: the parent's folder (dequantised where it is a GGUF file) and all token sets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.files import read_record, write_atomically, write_json
from blockwright.parent import ParentSettings, open_parent, prepare_parent
from blockwright.recipes.parent_outline import save_config
from blockwright.running.files import PARENT, RunFiles
from blockwright.running.steps.step import Step
from blockwright.text.sets import TextSettings, load_tokens

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = "tokens.safetensors"
SETS = ("calibration", "scoring", "heldback", "evaluation")


@dataclass(frozen=True)
class ParentStep(Step):
    """`belongs_to` is the directory that an iteration belongs to, which has the parent and its texts already."""

    settings: ParentSettings
    text: TextSettings
    seed: int
    belongs_to: Path | None = None

    def run(self, files: RunFiles, folder: Path) -> None:
        """`parent.json` names the parent's folder, `tokens.safetensors` holds the sets, each (sequences, seq)."""
        if self.belongs_to is not None:
            self._take_over(self.belongs_to / PARENT, folder)
            return
        if not self.settings.weights:
            self._outline(folder)
            return
        directory = prepare_parent(self.settings, folder / "parent")
        write_json(folder / "parent.json", {"directory": _relative(directory, folder)})
        tokenizer = open_parent(directory, files.families).tokenizer()
        _write_tokens(load_tokens(self.text, tokenizer, self.seed), folder)

    def _take_over(self, there: Path, folder: Path) -> None:
        parent = there / str(read_record(there / "parent.json")["directory"])
        inside = parent.resolve().is_relative_to(there.resolve())
        directory = os.path.relpath(parent.resolve(), folder.resolve()) if inside else os.fspath(parent.resolve())
        write_json(folder / "parent.json", {"directory": directory})
        with write_atomically(folder / TOKENS) as path:
            shutil.copyfile(there / TOKENS, path)

    def _outline(self, folder: Path) -> None:
        """Of a dry run: the parent's config, and sets without a sequence."""
        import torch

        save_config(self.settings, folder / "parent")
        write_json(folder / "parent.json", {"directory": "parent"})
        none = torch.zeros(0, self.text.sequence_length, dtype=torch.int64)
        _write_tokens(dict.fromkeys(SETS, none), folder)


def _write_tokens(sets: Mapping[str, Tensor], folder: Path) -> None:
    from safetensors.torch import save_file

    with write_atomically(folder / TOKENS) as path:
        save_file({name: tokens.clone() for name, tokens in sets.items()}, path)


def _relative(directory: Path, folder: Path) -> str:
    """A folder of the run by its name there, so that the run can be moved; others in full."""
    if directory.is_relative_to(folder):
        return os.fspath(directory.relative_to(folder))
    return os.fspath(directory.resolve())
