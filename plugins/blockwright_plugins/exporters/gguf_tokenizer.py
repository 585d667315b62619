"""A Hugging Face tokenizer as GGUF keys: byte-level BPE, whose way of splitting words llama.cpp knows by a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.foreign_files import read_json_object

if TYPE_CHECKING:
    import gguf
    from transformers import PreTrainedTokenizerBase

# llama.cpp (MIT) tells tokenizers apart by the SHA-256 of the tokens that they make of this text.
CHECK_TEXT = (
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶\u200d🌫️ (multiple emojis concatenated) ✅ 🦙🦙 3 33"
    " 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3 កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======="
    " нещо на Български ''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you sure? 'M not sure"
    " I'll make it, 'D you like some tea? We'Ve a'lL"
)
KNOWN: Mapping[str, str] = {
    "855059429035d75a914d1eda9f10a876752e281a054a7a3d421ef0533e5b6249": "smollm",
    "0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5": "llama-bpe",
    "e636dc30a262dcc0d8c323492e32ae2b70728f4df7dfe9737d9f920a282b8aea": "qwen2",
    "b3f499bb4255f8ca19fccd664443283318f2fd2414d5e0b040fbdd0cc195d6c5": "deepseek-r1-qwen",
    "63b97e4253352e6f357cc59ea5b583e3a680eaeaf2632188c2b952de2588485e": "tekken",
    "3ce83efda5659b07b1ad37ca97ca5797ea4285d9b9ab0dc679e4a720c9da7454": "gpt-2",
}
BYTE_LEVEL_ALONE = "gpt-2"  # what a pre-tokenizer of nothing but ByteLevel splits like


@dataclass(frozen=True)
class GGUFTokenizer:
    """The tokenizer in a child's folder; `given` names the pre-tokenizer where nothing else does."""

    folder: Path
    given: str | None = None

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        from blockwright.models.tokenizers import read_tokenizer

        return read_tokenizer(self.folder)

    @cached_property
    def written(self) -> Mapping[str, object]:
        """`tokenizer.json`; empty where there is none."""
        file = self.folder / "tokenizer.json"
        return read_json_object(file) if file.is_file() else {}

    @property
    def refusal(self) -> str | None:
        """Why llama.cpp could not split text as this tokenizer does."""
        if not self.written:
            return "there is no tokenizer.json in its folder"
        if not self._is_byte_level_bpe:
            return "its tokenizer is no byte-level BPE, the only kind that is written here"
        if not self._merges():
            return "its tokenizer merges nothing, which llama.cpp does not load"
        if self.pre_tokenizer is None:
            return (
                "llama.cpp's name for its way of splitting words is not known here; name it with `pre_tokenizer: NAME`"
            )
        return None

    @property
    def pre_tokenizer(self) -> str | None:
        """llama.cpp's name for it: as given, by what it makes of the check text, or by its parts."""
        if self.given:
            return self.given
        tokens = self.tokenizer.encode(CHECK_TEXT)
        known = KNOWN.get(hashlib.sha256(str(tokens).encode()).hexdigest())
        return known or (BYTE_LEVEL_ALONE if self._splits_plainly else None)

    @property
    def _is_byte_level_bpe(self) -> bool:
        model, pre_tokenizer = self.written.get("model"), json.dumps(self.written.get("pre_tokenizer"))
        return isinstance(model, dict) and model.get("type") == "BPE" and '"ByteLevel"' in pre_tokenizer

    @property
    def _splits_plainly(self) -> bool:
        pre_tokenizer = self.written.get("pre_tokenizer")
        assert isinstance(pre_tokenizer, dict)
        plain = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
        return all(pre_tokenizer.get(key) == value for key, value in plain.items()) and not self.written["normalizer"]

    def add_to(self, writer: gguf.GGUFWriter, vocab_size: int) -> None:
        """Tokens, merges, special tokens and the chat template."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre_tokenizer or BYTE_LEVEL_ALONE)
        tokens, kinds = self._tokens(vocab_size)
        writer.add_token_list(tokens)
        writer.add_token_types(kinds)
        writer.add_token_merges(self._merges())
        self._add_special_tokens(writer)
        if isinstance(self.tokenizer.chat_template, str):
            writer.add_chat_template(self.tokenizer.chat_template)

    def _tokens(self, vocab_size: int) -> tuple[list[str], list[int]]:
        """By id, with a name for rows of the embedding that no token has."""
        from gguf import TokenType

        by_id = {number: token for token, number in self.tokenizer.get_vocab().items()}
        added = self.tokenizer.added_tokens_decoder
        tokens = [by_id.get(number, f"[PAD{number}]") for number in range(vocab_size)]
        kinds = [TokenType.NORMAL if number in by_id else TokenType.UNUSED for number in range(vocab_size)]
        for number, token in added.items():
            kinds[number] = TokenType.CONTROL if token.special else TokenType.USER_DEFINED
        return tokens, [int(kind) for kind in kinds]

    def _merges(self) -> list[str]:
        """`a b`; newer files have pairs. No token of a byte-level vocabulary has a space in it."""
        model = self.written["model"]
        assert isinstance(model, dict)
        return [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]

    def _add_special_tokens(self, writer: gguf.GGUFWriter) -> None:
        tokenizer = self.tokenizer
        numbers = {
            writer.add_bos_token_id: tokenizer.bos_token_id,
            writer.add_eos_token_id: tokenizer.eos_token_id,
            writer.add_unk_token_id: tokenizer.unk_token_id,
            writer.add_pad_token_id: tokenizer.pad_token_id,
        }
        for add, number in numbers.items():
            if number is not None:
                add(number)
        writer.add_add_bos_token(tokenizer.bos_token_id in tokenizer.encode("a")[:1])
        writer.add_add_eos_token(tokenizer.eos_token_id in tokenizer.encode("a")[1:])
