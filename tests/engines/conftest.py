"""Children for real engines: tiny, random, and in every way unlike a plain model. `make test-engines` runs these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.exporting.exporting import export_child
from blockwright.exporting.origin import Origin
from blockwright.exporting.requests import make_exporter

TOKENS, ENDS = 32, [0, 2]
SIZES = dict(vocab_size=512, hidden_size=288, intermediate_size=384, num_hidden_layers=6, max_position_embeddings=256)
HEADS = dict(num_attention_heads=9, num_key_value_heads=3, head_dim=32, tie_word_embeddings=True)
NO_ATTENTION, NO_FFN, NOTHING = {"skip": ["attention"]}, {"skip": ["mlp"]}, {"skip": ["attention", "mlp"]}
CHILDREN: Mapping[str, Mapping[str, object]] = {
    "the parent": {},
    "skipped attentions": {"per_layer_config": {1: NO_ATTENTION, 2: NO_ATTENTION, 5: NO_ATTENTION}},
    "attention-only layers": {"per_layer_config": {1: NO_FFN, 3: NOTHING, 5: NO_FFN}},
    "arbitrary widths": {"per_layer_config": {0: {"intermediate_size": 100}, 3: {"intermediate_size": 333}}},
    "1, 3 and 9 KV heads": {"per_layer_config": {0: {"num_key_value_heads": 1}, 4: {"num_key_value_heads": 9}}},
    "a fused run": {"per_layer_config": {2: {**NO_ATTENTION, "intermediate_size": 1152}, 3: NOTHING, 4: NOTHING}},
    "no attention at first": {"per_layer_config": {0: NO_ATTENTION, 1: NO_ATTENTION}},
    "biases and a head of its own": {
        "per_layer_config": {0: NO_ATTENTION, 2: {"num_key_value_heads": 1}},
        "attention_bias": True,
        "attention_output_bias": True,
        "mlp_bias": True,
        "tie_word_embeddings": False,
    },
}
LINEAR = "linear maps for attention"
ALL_CHILDREN = {
    **CHILDREN,
    LINEAR: {"per_layer_config": {0: {"attention_kind": "linear"}, 3: {"attention_kind": "linear"}}},
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@dataclass(frozen=True)
class Written:
    """A child on disk, and what torch answers."""

    name: str
    folder: Path
    prompts: list[list[int]]
    answers: list[list[int]]

    def exported(self, target: str, *options: str) -> Path:
        destination = self.folder.with_name(f"{self.folder.name}-{target}")
        if not destination.exists():
            export_child(make_exporter(target, options), self.folder, destination, Origin(self.folder.name))
        return destination

    def answer(self, prompt: list[int]) -> list[int]:
        return greedy(self.folder, prompt)

    def as_prompt(self, messages: list[dict[str, str]]) -> list[int]:
        tokens: list[int] = tokenizer().apply_chat_template(messages, tokenize=True, return_dict=False)
        return tokens


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a `name` runs for every child; linear maps are for engines that know them."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", ALL_CHILDREN if getattr(metafunc.module, "KNOWS_LINEAR", False) else CHILDREN)


@pytest.fixture(scope="session")
def prompts() -> list[list[int]]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randint(3, 512, (length,), generator=draw).tolist() for length in (5, 9, 17, 3)]


@pytest.fixture(scope="session")
def children(tmp_path_factory: pytest.TempPathFactory, prompts: list[list[int]]) -> Mapping[str, Written]:
    folder = tmp_path_factory.mktemp("engines")
    return {name: write(folder, name, settings, prompts) for name, settings in ALL_CHILDREN.items()}


def write(folder: Path, name: str, settings: Mapping[str, object], prompts: list[list[int]]) -> Written:
    torch.manual_seed(len(name))
    config = BlockwrightConfig(**{**SIZES, **HEADS, "initializer_range": 0.08, **settings})
    model = BlockwrightForCausalLM(config).eval()
    with torch.no_grad():
        for parameter, weight in model.named_parameters():
            if "norm" in parameter or parameter.endswith("bias"):
                weight.add_(0.2 * torch.randn_like(weight))
    place = folder / name.replace(" ", "-").replace(",", "")
    model.save_pretrained(place)
    tokenizer().save_pretrained(place)
    return Written(name, place, prompts, [greedy(place, prompt) for prompt in prompts])


def greedy(folder: Path, prompt: list[int]) -> list[int]:
    """The plain reference: the whole sequence through torch for every token, without a cache.

    Tokens that end an answer are never taken: llama.cpp does so when it is told to go on, the others are told to.
    """
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    sequence = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(TOKENS):
            logits = model(sequence, use_cache=False).logits[:, -1]
            logits[:, ENDS] = -torch.inf
            following = logits.argmax(-1, keepdim=True)
            sequence = torch.cat([sequence, following], dim=1)
    answer: list[int] = sequence[0, len(prompt) :].tolist()
    return answer


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of one merge, its bytes after three special tokens."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {
        token: number for number, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    plain = Tokenizer(models.BPE({**vocabulary, "th": len(vocabulary)}, [("t", "h")]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token=special[0], eos_token=special[2], additional_special_tokens=[special[1]]
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of equal tokens, children by engines."""
    if AGREEMENT:
        terminalreporter.write_line("\nEqual greedy tokens (4 prompts x 32):")
    for name, found in AGREEMENT.items():
        told = ", ".join(f"{engine} {equal}/{4 * TOKENS}" for engine, equal in found.items())
        terminalreporter.write_line(f"  {name}: {told}")


AGREEMENT: dict[str, dict[str, int]] = {}


@pytest.fixture
def agree() -> Callable[[Written, str, list[list[int]]], None]:
    """Checks an engine's answers against torch's and notes how many tokens are equal."""

    def check(child: Written, engine: str, answers: list[list[int]]) -> None:
        pairs = zip(chain(*child.answers), chain(*answers), strict=True)
        AGREEMENT.setdefault(child.name, {})[engine] = sum(ours == theirs for ours, theirs in pairs)
        assert answers == child.answers

    return check
