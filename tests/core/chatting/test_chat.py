"""Talks with a tiny child: once and in turns, with the toggle, stopped, and piped."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner, Result

from blockwright.chatting.conversation import ChatSettings, Conversation, is_thinking
from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.cli import app
from blockwright.models.generation import Decoding, generate
from blockwright.terminal.chat import talk

WORDS = ["detailed", "thinking", "on", "off", "system", "user", "assistant", *(f"w{number}" for number in range(50))]
TEMPLATE = (
    "{% for m in messages %}{{ m.role }} {{ m.content }} </s> {% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A child of three layers with words for tokens, whose template says roles and contents."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("chat") / "child"
    torch.manual_seed(5)
    config = BlockwrightConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=64, initializer_range=0.3,
        bos_token_id=1, eos_token_id=2, per_layer_config={1: {"skip": ["attention"]}},
    )  # fmt: skip
    BlockwrightForCausalLM(config).save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", "<pad>", *WORDS])}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    return folder


def ask_child(child: Path, *options: str, piped: str | None = None) -> Result:
    return CliRunner().invoke(app, ["chat", str(child), "--max-tokens", "6", *options], input=piped)


def expected(conversation: Conversation, prompt: list[int], count: int = 6) -> str:
    (tokens,) = generate(conversation.model, [prompt], Decoding(max_tokens=count), frozenset({2}))
    return str(conversation.tokenizer.decode(tokens)).removesuffix("</s>")


def test_one_prompt_is_answered_once_as_the_model_answers_it(child: Path) -> None:
    conversation = Conversation(child, ChatSettings())
    prompt = conversation.tokenizer.encode("user w1 w2 </s> assistant", add_special_tokens=False)
    result = ask_child(child, "--prompt", "w1 w2")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == expected(conversation, prompt).strip() != ""


def test_text_on_standard_input_is_a_prompt_too(child: Path) -> None:
    assert ask_child(child, piped="w1 w2\n").stdout == ask_child(child, "--prompt", "w1 w2").stdout


@pytest.mark.parametrize("mode", ["on", "off"])
def test_the_toggle_is_the_system_prompt_and_what_else_is_told_follows_it(child: Path, mode: str) -> None:
    conversation = Conversation(child, ChatSettings(mode, "w9", temperature=0.0))  # type: ignore[arg-type]
    assert conversation.messages == [{"role": "system", "content": f"detailed thinking {mode}\n\nw9"}]
    text = f"system detailed thinking {mode} w9 </s> user w1 </s> assistant"
    prompt = conversation.tokenizer.encode(text, add_special_tokens=False)
    answered = ask_child(child, "--think", mode, "--system", "w9", "--prompt", "w1", "--temperature", "0")
    assert answered.stdout.strip() == expected(conversation, prompt).strip()


def test_thinking_is_sampled_and_the_same_seed_answers_alike(child: Path) -> None:
    assert ChatSettings("on").decoding.temperature == 0.6
    assert ChatSettings("off").decoding.temperature == ChatSettings().decoding.temperature == 0.0
    answers = [ask_child(child, "--think", "on", "--prompt", "w1", "--seed", seed).stdout for seed in ("1", "1", "2")]
    assert answers[0] == answers[1] != answers[2]


def asking(lines: Iterable[str | type[BaseException]]) -> Callable[[], str]:
    """Lines as typed at a keyboard; exceptions are keys, the last of which is Ctrl-D."""
    typed = iter([*lines, EOFError])

    def ask() -> str:
        line = next(typed)
        if isinstance(line, str):
            return line
        raise line

    return ask


def test_turns_follow_each_other_until_ctrl_d(child: Path) -> None:
    conversation, shown = Conversation(child, ChatSettings(max_tokens=4)), io.StringIO()
    talk(conversation, Console(file=shown), asking(["w1", "", KeyboardInterrupt, "w2"]))
    roles = [message["role"] for message in conversation.messages]
    assert roles == ["user", "assistant", "user", "assistant"]
    assert "".join(conversation.messages[1]["content"].split()) in "".join(shown.getvalue().split())


class Stopping(io.StringIO):
    """A terminal at which somebody types Ctrl-C once a reply is under way."""

    def write(self, text: str) -> int:
        if text.strip().startswith("w") and not getattr(self, "stopped", False):
            self.stopped = True
            raise KeyboardInterrupt
        return super().write(text)


def test_ctrl_c_stops_a_reply_and_the_chat_goes_on(child: Path) -> None:
    conversation, shown = Conversation(child, ChatSettings(max_tokens=12)), Stopping()
    talk(conversation, Console(file=shown), asking(["w1", "w2"]))
    assert shown.stopped
    assert "(stopped)" in shown.getvalue()
    assert len(conversation.messages) == 4
    first, second = (conversation.messages[place]["content"].split() for place in (1, 3))
    assert len(first) < len(second)


def test_old_turns_make_room_and_a_long_one_is_refused(child: Path) -> None:
    conversation, shown = Conversation(child, ChatSettings(max_tokens=4)), io.StringIO()
    talk(conversation, Console(file=shown, width=200), asking([*("w1 w2 w3 w4 w5 w6" for _ in range(6)), "w1 " * 80]))
    assert len(conversation.prompt(conversation.messages)) <= 64
    assert "the child's context is 64, so say less" in shown.getvalue()


def test_a_tokenizer_without_template_names_the_way_out(child: Path, tmp_path: Path) -> None:
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(child, bare)
    (bare / "chat_template.jinja").unlink()
    result = ask_child(bare, "--prompt", "w1")
    assert result.exit_code == 2
    assert "add --template chatml" in result.stderr


def test_a_think_block_is_known_while_it_is_written() -> None:
    assert is_thinking("<think>\nso")
    assert not is_thinking("<think>\nso\n</think>\n\n4")
    assert not is_thinking("4")
