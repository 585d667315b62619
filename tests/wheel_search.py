"""A script, run by `make wheel-check`: a tiny search with the installed wheel, by its command line, in this folder."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

RECIPE = """\
name: wheel
parent: {model: parent}
space:
  variants:
    attention: [keep, {kv_heads: 1}, linear, skip]
    ffn: [keep, {narrow: 50%}, linear, skip]
text:
  calibration: [learn.txt]
  evaluation: [judge.txt]
  sequence_length: 32
  calibration_tokens: 1024
  scoring_tokens: 256
  heldback_tokens: 256
  evaluation_tokens: 256
budget: {params: 90%}
"""
WORDS = [f"w{number}" for number in range(60)]


def make_parent(folder: Path) -> None:
    """A seeded Llama of four layers with a tokenizer of 64 words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    LlamaForCausalLM(LlamaConfig(**sizes, **heads, tie_word_embeddings=True)).save_pretrained(folder)
    vocabulary = {word: index for index, word in enumerate(["<unk>", "<s>", "</s>", "<pad>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>").save_pretrained(folder)


def make_text() -> None:
    for seed, name in enumerate(("learn.txt", "judge.txt")):
        draw = random.Random(seed)
        Path(name).write_text("\n\n".join(" ".join(draw.choices(WORDS, k=80)) for _ in range(80)))


def blockwright(*arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("blockwright")), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"blockwright {' '.join(arguments)}\n{finished.stdout}{finished.stderr}"
    return finished.stdout


def check_the_child(child: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(child)
    assert type(model).__name__ == "BlockwrightForCausalLM"
    answer = model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=4, min_new_tokens=4, do_sample=False)
    assert answer.shape == (1, 7)


def main(site_packages: Path) -> None:
    import blockwright as package
    from blockwright.plugins import Plugins

    assert site_packages.resolve() in Path(package.__file__).resolve().parents, "blockwright is not the wheel's"
    plugins = Plugins.load()
    assert not plugins.broken, [plugin.broken for plugin in plugins.broken]
    assert any(any(folder.glob("*.yaml")) for folder in plugins.resource_folders("searchspaces"))
    assert "fisher" in blockwright("plugins")
    make_parent(Path("parent"))
    make_text()
    Path("recipe.yaml").write_text(RECIPE)
    blockwright("run", "recipe.yaml")
    evaluation = json.loads(next(Path("runs/wheel").glob("*-evaluation/evaluation.json")).read_text())
    assert {"built", "final", "predicted"} <= evaluation.keys()
    check_the_child(Path("runs/wheel/05-build/child"))
    sys.stdout.write("The wheel lists its plugins, and a tiny search from it built a child that transformers loads.\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
