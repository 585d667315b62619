"""A tiny seeded parent on disk, its library, texts and children: what a plugin is tried on, made once a process."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from blockwright.variants import BlockVariant, Slot, SubBlock, VariantSpec

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
    from blockwright.library import Library
    from blockwright.models.stack import LayerStack
    from blockwright.parent import Parent

LAYERS, HIDDEN, WIDTH, HEADS, KV_HEADS = 2, 32, 64, 4, 2
LENGTH = 16  # tokens a sequence
SPECIAL = ("<unk>", "<|im_start|>", "<|im_end|>", "<|endoftext|>")
CHAT = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""
CHILDREN: Mapping[str, Mapping[str, str]] = {  # variants by sub-block, of those that the small library holds
    "as the parent": {},
    "narrower": {"ffn.0": "narrow=32", "attention.1": "kv_heads=1"},
    "without parts": {"attention.1": "skip", "ffn.0": "narrow=32"},
}

Variants = Mapping[tuple[Slot, str], BlockVariant]


@cache
def _folder() -> TemporaryDirectory[str]:
    """Goes when the process ends."""
    return TemporaryDirectory(prefix="blockwright-contracts-")


def scratch(name: str) -> Path:
    """A new empty folder below the one of this process."""
    from tempfile import mkdtemp

    return Path(mkdtemp(prefix=f"{name}-", dir=_folder().name))


@cache
def small_parent() -> Parent:
    """A Llama of two layers that differ, with a tokenizer of bytes and a chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from blockwright.models.quiet import quiet_transformers
    from blockwright.parent import open_parent
    from blockwright.plugins import installed_plugins

    folder = scratch("parent")
    config = LlamaConfig(
        vocab_size=256 + len(SPECIAL), hidden_size=HIDDEN, intermediate_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, max_position_embeddings=512, initializer_range=0.15,
        tie_word_embeddings=True, bos_token_id=3, eos_token_id=2, pad_token_id=3,
    )  # fmt: skip
    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    _write_tokenizer(folder)
    return open_parent(folder, installed_plugins().families)


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({token: index for index, token in enumerate([*SPECIAL, *alphabet])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(SPECIAL))
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token=SPECIAL[0],
        bos_token=SPECIAL[3],
        eos_token=SPECIAL[2],
        pad_token=SPECIAL[3],
    )
    wrapped.chat_template = CHAT
    wrapped.save_pretrained(folder)


@cache
def small_tokens() -> Mapping[str, Tensor]:
    """The sets `calibration` (32, 16), `scoring` and `heldback` (8, 16), which share nothing but their distribution."""
    import torch

    generator = torch.Generator().manual_seed(1)
    rows = {"calibration": 32, "scoring": 8, "heldback": 8}
    return {name: torch.randint(4, 260, (count, LENGTH), generator=generator) for name, count in rows.items()}


@cache
def small_text() -> Path:
    """A file of seeded words, a source for stages."""
    draw, words = random.Random(2), [f"word{number}" for number in range(50)]
    file = scratch("text") / "learn.txt"
    file.write_text("\n\n".join(" ".join(draw.choices(words, k=30)) + "." for _ in range(60)))
    return file


@cache
def small_library() -> Library:
    """`keep`, `kv_heads=1` and `skip` of every attention, `keep`, `narrow=32` and `skip` of every FFN."""
    attention: list[VariantSpec] = [VariantSpec("attention", "keep"), VariantSpec("attention", "skip")]
    attention.insert(1, VariantSpec("attention", "kv_heads", (("heads", 1),)))
    ffn = [VariantSpec("ffn", "keep"), VariantSpec("ffn", "narrow", (("width", 32),)), VariantSpec("ffn", "skip")]
    return library_of({"attention": attention, "ffn": ffn}, installed_variants())


def installed_variants() -> Variants:
    from blockwright.plugins import installed_plugins

    return installed_plugins().variants


def library_of(specs: Mapping[Slot, Sequence[VariantSpec]], variants: Variants) -> Library:
    """The small parent's library of these variants in every layer."""
    from blockwright.building.library import build_library
    from blockwright.construction import LibrarySettings

    parent = small_parent()
    space = {sub_block: specs[sub_block.slot] for sub_block in parent.sub_blocks()}
    settings = LibrarySettings(gradient_tokens=128, channels_at_once=8)
    return build_library(parent, space, variants, small_tokens(), settings, scratch("library"), seed=0)


def small_child(name: str) -> LayerStack:
    """One of `CHILDREN`, read from the small library."""
    from blockwright.child.assembly import assemble

    library = small_library()
    return assemble(small_parent(), library, library.assignment(CHILDREN[name]), installed_variants())


def written_child(name: str) -> Path:
    """The folder of one of `CHILDREN`, new at every call."""
    from blockwright.child.checkpoint import write_child

    folder = scratch("child") / "child"
    write_child(folder, small_child(name), small_parent())
    return folder


def child_with(library: Library, spec: VariantSpec, variants: Variants, layer: int = 1) -> LayerStack:
    """The small parent with one sub-block replaced."""
    from blockwright.child.assembly import assemble

    return assemble(small_parent(), library, {SubBlock(layer, spec.slot): spec}, variants)


def whole_model(stack: LayerStack) -> BlockwrightForCausalLM:
    """A child in memory, in evaluation mode."""
    import torch

    from blockwright.child.checkpoint import planned_tensors
    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

    with torch.random.fork_rng():
        model = BlockwrightForCausalLM(stack.config)
    model.load_state_dict({one.name: stack.read(one.name) for one in planned_tensors(stack.config)}, strict=False)
    model.tie_weights()
    model.eval()
    return model


def missing_weights(stack: LayerStack) -> list[str]:
    """A sentence for each weight of its config that cannot be read, or has another shape."""
    from blockwright.child.checkpoint import planned_tensors

    return [
        wrong for wrong in (_wrong_with(stack, one.name, one.shape) for one in planned_tensors(stack.config)) if wrong
    ]


def _wrong_with(stack: LayerStack, name: str, shape: tuple[int, ...]) -> str:
    try:
        found = tuple(stack.read(name).shape)
    except KeyError:
        return f"there is no weight {name}"
    return "" if found == shape else f"{name} has the shape {found} where the child has {shape}"
