"""Peak memory of building the library of random Llamas of 8, 16 and 32 equal layers, read from disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from common import peak_gib, print_table

HIDDEN, WIDTH, VOCABULARY = 768, 3072, 8192
CALIBRATION, GRADIENTS, LENGTH = 16384, 1024, 256  # tokens, tokens, tokens a sequence
GIB = 1024**3


def main() -> None:
    rows = []
    for layers in (8, 16, 32):
        with TemporaryDirectory(dir=".") as folder:
            subprocess.run([sys.executable, __file__, "make", str(layers), folder], check=True)
            built = subprocess.run([sys.executable, __file__, "build", folder], check=True, capture_output=True)
            peak = json.loads(built.stdout.splitlines()[-1])
            weights = sum(path.stat().st_size for path in Path(folder).glob("parent/*.safetensors")) / GIB
        kept = ((layers + 1) * GRADIENTS + CALIBRATION) * HIDDEN * 4 / GIB
        rows.append((layers, weights, peak, kept, peak - kept, (peak - kept) / (rows[0][4] if rows else peak - kept)))
    header = ("layers", "weights, GiB", "peak, GiB", "activations, GiB", "peak beyond them, GiB", "ratio to 8 layers")
    print_table("Memory of building the library against depth", header, rows)


def make(layers: int, folder: Path) -> None:
    """A seeded random Llama, saved as safetensors."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=WIDTH, num_hidden_layers=layers,
        num_attention_heads=12, num_key_value_heads=4, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder / "parent")


def build(folder: Path) -> None:
    """Builds the library of `twelfths` and prints the peak of this process in GiB."""
    from smollm2 import space_of

    from blockwright.building.library import build_library
    from blockwright.construction import LibrarySettings
    from blockwright.parent import open_parent
    from blockwright.plugins import installed_plugins

    plugins = installed_plugins()
    parent = open_parent(folder / "parent", plugins.families)
    tokens = torch.randint(0, VOCABULARY, (CALIBRATION // LENGTH, LENGTH), generator=torch.Generator().manual_seed(0))
    sets = {"calibration": tokens, "heldback": tokens[:8]}
    settings = LibrarySettings(gradient_tokens=GRADIENTS, channels_at_once=128)
    build_library(parent, space_of("twelfths", parent), plugins.variants, sets, settings, folder / "library", seed=0)
    print(peak_gib())


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(int(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["build"]:
        build(Path(sys.argv[2]))
    else:
        main()
