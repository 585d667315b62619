"""A tiny child with a tokenizer of bytes and SmolLM2's chat template, and jobs that train it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.post_training.job import TrlJob
from blockwright.post_training.pairs import pair
from blockwright.post_training.prompts import Prompt
from blockwright.post_training.questions import Question
from blockwright.post_training.reinforcing import write_prompts
from blockwright.post_training.sft import TRAINS, write_conversations
from blockwright.post_training.templates import thinking_template
from blockwright.post_training.thinking import MODES

MakeJob = Callable[..., TrlJob]
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def importable_rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    """`letters_for_tests`, here and in processes that a test starts."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))


@pytest.fixture
def tokenizer(make_chat_tokenizer: Callable[[], PreTrainedTokenizerFast]) -> PreTrainedTokenizerFast:
    return make_chat_tokenizer()


@pytest.fixture
def child(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Path:
    """One layer as it was, one without attention and with a fused, wider FFN, one skipped whole."""
    torch.manual_seed(0)
    config = BlockwrightConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, initializer_range=0.1, eos_token_id=2,
        per_layer_config={1: {"skip": ["attention"], "intermediate_size": 96}, 2: {"skip": ["attention", "mlp"]}},
    )  # fmt: skip
    BlockwrightForCausalLM(config).save_pretrained(tmp_path / "child")
    tokenizer.save_pretrained(tmp_path / "child")
    return tmp_path / "child"


@pytest.fixture
def make_job(child: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> MakeJob:
    """A short job of reasoning SFT in a folder of its own."""

    def make(name: str = "job", **changed: object) -> TrlJob:
        options = {
            "steps": 4,
            "batch_size": 2,
            "learning_rate": 3e-3,
            "checkpoint_every": 2,
            "sequence_length": 192,
            **changed,
        }
        folder = tmp_path / name
        folder.mkdir()
        template = thinking_template(tokenizer)
        learned = [each for number in range(8) for each in pair(f"{number} + 1", f"{number}, then 1", str(number + 1))]
        write_conversations(folder, learned, child, template, 192)
        return TrlJob(trains=TRAINS, child=child, directory=folder, seed=0, options=json.loads(json.dumps(options)))

    return make


@pytest.fixture
def make_rl_job(child: Path, tmp_path: Path) -> MakeJob:
    """A short job of GRPO, or of whatever `trains` names, whose reward is for letters that any model can write."""

    def make(name: str = "job", trains: str = "blockwright.post_training.grpo:train", **changed: object) -> TrlJob:
        options = {
            "steps": 4,
            "batch_size": 8,
            "samples": 4,
            "reply_tokens": 12,
            "learning_rate": 3e-3,
            "checkpoint_every": 2,
            "rewards": [{"letters_for_tests:evenness": {"weight": 2.0}}, "format"],
            **changed,
        }
        folder = tmp_path / name
        folder.mkdir()
        questions = [Question(text=f"{number} + 1?", answer=str(number + 1)) for number in range(4)]
        write_prompts(folder, [Prompt(question=each, mode=mode) for each in questions for mode in MODES])
        return TrlJob(trains=trains, child=child, directory=folder, seed=0, options=json.loads(json.dumps(options)))

    return make
