"""00-parent: the parent's folder (dequantised where it is a GGUF file) and all token sets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from blockwright.files import write_atomically, write_json
from blockwright.parent import ParentSettings, open_parent, prepare_parent
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.text.sets import TextSettings, load_tokens


@dataclass(frozen=True)
class ParentStep(Step):
    settings: ParentSettings
    text: TextSettings
    seed: int

    def run(self, files: RunFiles, folder: Path) -> None:
        """`parent.json` names the parent's folder, `tokens.safetensors` holds the sets, each (sequences, seq)."""
        from safetensors.torch import save_file

        directory = prepare_parent(self.settings, folder / "parent")
        write_json(folder / "parent.json", {"directory": _relative(directory, folder)})
        tokenizer = open_parent(directory, files.families).tokenizer()
        sets = load_tokens(self.text, tokenizer, self.seed)
        with write_atomically(folder / "tokens.safetensors") as path:
            save_file({name: tokens.contiguous() for name, tokens in sets.items()}, path)


def _relative(directory: Path, folder: Path) -> str:
    """A folder of the run by its name there, so that the run can be moved; others in full."""
    if directory.is_relative_to(folder):
        return os.fspath(directory.relative_to(folder))
    return os.fspath(directory.resolve())
