"""A tiny parent with a whole library, built once for all tests of the numeric engine; texts and tokenizers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from blockwright.building.library import Space, build_library
from blockwright.construction import LibrarySettings
from blockwright.costs import TableExceeded
from blockwright.library import Library
from blockwright.parent import Parent, open_parent
from blockwright.plugins import Plugins
from blockwright.variants import VariantSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ["<unk>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>", "<|endoftext|>"]
SMOLLM2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""
SETTINGS = LibrarySettings(gradient_tokens=512, channels_at_once=4)


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return Plugins.load()


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins) -> Parent:
    """A seeded Llama of three layers, six query and three KV heads, whose outputs really depend on its blocks."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("engine-parent")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=48, intermediate_size=40, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=3, initializer_range=0.15, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return open_parent(folder, plugins.families)


@pytest.fixture(scope="session")
def space(parent: Parent) -> Space:
    def spec(slot: str, kind: str, **options: int) -> VariantSpec:
        return VariantSpec(slot, kind, tuple(options.items()))  # type: ignore[arg-type]

    attention = [spec("attention", "keep"), spec("attention", "kv_heads", heads=1)]
    attention += [spec("attention", "linear"), spec("attention", "skip")]
    ffn = [spec("ffn", "keep"), spec("ffn", "narrow", width=30), spec("ffn", "narrow", width=12)]
    ffn += [spec("ffn", "linear"), spec("ffn", "skip")]
    return {sub_block: attention if sub_block.slot == "attention" else ffn for sub_block in parent.sub_blocks()}


@pytest.fixture(scope="session")
def calibration() -> torch.Tensor:
    return torch.randint(0, 64, (48, 32), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def tokens(calibration: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a library is built from."""
    heldback = torch.randint(0, 64, (16, 32), generator=torch.Generator().manual_seed(3))
    return {"calibration": calibration, "heldback": heldback}


@pytest.fixture(scope="session")
def unseen() -> torch.Tensor:
    return torch.randint(0, 64, (12, 32), generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="session")
def library(
    parent: Parent,
    space: Space,
    plugins: Plugins,
    tokens: dict[str, torch.Tensor],
    tmp_path_factory: pytest.TempPathFactory,
) -> Library:
    folder: Path = tmp_path_factory.mktemp("library")
    return build_library(parent, space, plugins.variants, tokens, SETTINGS, folder, seed=0)


@pytest.fixture
def run_with_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], dict[str, Any]]:
    """Runs Python of a page in a folder that holds the parent and `gemm.csv`, and gives the names it leaves."""

    def execute(code: str, parent: Path) -> dict[str, Any]:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "parent").symlink_to(parent)
        rows = [(m, n, k, 5 + m * n * k / 1e8) for m in (1, 16, 256) for n in (1024, 4096) for k in (1024, 8192)]
        lines = ["precision,m,n,k,latency_us", *(f"bf16,{m},{n},{k},{us}" for m, n, k, us in rows)]
        (tmp_path / "gemm.csv").write_text("\n".join(lines))
        names: dict[str, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TableExceeded)  # the tiny parent is smaller than what is measured
            exec(code, names)
        return names

    return execute


@pytest.fixture(scope="session")
def text_words() -> list[str]:
    return [f"w{number}" for number in range(60)]


@pytest.fixture(scope="session")
def text_folder(text_words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seeded random words: `learn.txt` and `judge.txt`, each enough for its sets."""
    import random

    folder = tmp_path_factory.mktemp("text")
    for seed, name in enumerate(("learn.txt", "judge.txt")):
        draw = random.Random(seed)
        (folder / name).write_text("\n\n".join(" ".join(draw.choices(text_words, k=80)) for _ in range(80)))
    return folder


@pytest.fixture(scope="session")
def tokenizer_of_bytes() -> Callable[..., PreTrainedTokenizerFast]:
    """Makes a tokenizer of one token a byte behind the special ones, whose roles are named."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def make(special: list[str], **roles: str) -> PreTrainedTokenizerFast:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: index for index, token in enumerate([*special, *alphabet])}
        made = Tokenizer(models.BPE(vocabulary, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        made.add_special_tokens(special)
        return PreTrainedTokenizerFast(tokenizer_object=made, **roles)

    return make


@pytest.fixture(scope="session")
def make_chat_tokenizer(
    tokenizer_of_bytes: Callable[..., PreTrainedTokenizerFast],
) -> Callable[[], PreTrainedTokenizerFast]:
    """One of bytes with SmolLM2's chat template."""

    def make() -> PreTrainedTokenizerFast:
        made = tokenizer_of_bytes(SPECIAL, unk_token="<unk>", bos_token="<|begin_of_text|>", eos_token="<|im_end|>")
        made.chat_template = SMOLLM2
        return made

    return make


@pytest.fixture(scope="session")
def chatting_parent(
    make_chat_tokenizer: Callable[[], PreTrainedTokenizerFast], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A seeded Llama of three layers that chats, with a token a byte."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer, folder = make_chat_tokenizer(), tmp_path_factory.mktemp("chatting-parent")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=3, eos_token_id=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.2,
        tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
