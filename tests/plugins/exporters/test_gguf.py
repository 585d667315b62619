"""`gguf`: what llama.cpp will find in the file; that it answers alike is for `make test-engines` to say."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader, quants
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from blockwright.child.modeling_blockwright import rotate
from blockwright.errors import UserError
from blockwright.exporting.exporting import export_child
from blockwright.exporting.origin import Origin
from blockwright.exporting.requests import make_exporter
from blockwright.models.stack import LayerStack
from blockwright_plugins.exporters.gguf_tensors import in_pairs
from blockwright_plugins.exporters.gguf_tokenizer import GGUFTokenizer

WriteChild = Callable[..., Path]


def export(child: Path, *options: str) -> GGUFReader:
    destination = child.with_name("exported")
    export_child(make_exporter("gguf", options), child, destination, Origin("tiny"))
    (file,) = destination.glob("*.gguf")
    return GGUFReader(file)


def values(reader: GGUFReader) -> dict[str, np.ndarray]:
    found = {tensor.name: quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    return {name: np.array(value, dtype=np.float32) for name, value in found.items()}


def field(reader: GGUFReader, name: str) -> object:
    return reader.fields[name].contents()


def add_tokenizer(folder: Path, **settings: object) -> None:
    """A byte-level BPE of 60 tokens, two of them special, for the tiny child's vocabulary of 64."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())[:55]
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *letters, "ab", "abc"])}
    merges = [("a", "b"), ("ab", "c")]
    tokenizer = Tokenizer(models.BPE({**vocabulary, "a": 60, "b": 61, "c": 62}, merges))
    tokenizer.pre_tokenizer = settings.get("pre_tokenizer") or pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    wrapped.chat_template = "{{ messages }}"
    wrapped.save_pretrained(folder)


def test_layers_are_told_by_arrays_and_empty_ones_left_out(write_child: WriteChild) -> None:
    reader = export(write_child(), "tokenizer=none", "precision=f32")
    assert field(reader, "general.architecture") == "deci"
    assert field(reader, "deci.block_count") == 5
    assert field(reader, "deci.attention.head_count") == [4, 0, 4, 4, 0]
    assert field(reader, "deci.attention.head_count_kv") == [2, 0, 1, 4, 0]
    assert field(reader, "deci.feed_forward_length") == [64, 41, 32, 96, 64]
    assert field(reader, "deci.attention.key_length") == field(reader, "deci.attention.value_length") == 8
    assert field(reader, "deci.rope.dimension_count") == 8


def test_values_are_the_childs_own_with_rotated_rows_in_pairs(write_child: WriteChild) -> None:
    child = write_child(attention_bias=True, mlp_bias=True, attention_output_bias=True)
    own, written = load_file(child / "model.safetensors"), values(export(child, "tokenizer=none", "precision=f32"))
    for module, name in (
        ("mlp.down_proj", "ffn_down"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
    ):
        for kind in ("weight", "bias"):
            assert np.array_equal(written[f"blk.3.{name}.{kind}"], own[f"model.layers.4.{module}.{kind}"].numpy())
    keys = own["model.layers.4.self_attn.k_proj.weight"]
    assert np.array_equal(written["blk.3.attn_k.weight"][:4], keys[[0, 4, 1, 5]].numpy())
    assert np.array_equal(
        written["blk.2.attn_k.bias"], own["model.layers.2.self_attn.k_proj.bias"][[0, 4, 1, 5, 2, 6, 3, 7]].numpy()
    )
    assert np.array_equal(written["output.weight"], own["lm_head.weight"].numpy())


def test_pairs_are_rotated_as_halves_were() -> None:
    """llama.cpp turns neighbours; with rows in pairs the products of queries and keys stay the same."""
    torch.manual_seed(0)
    queries, keys = torch.randn(2, 16), torch.randn(2, 16)  # two heads of 8
    angles = torch.rand(2, 4)
    cos, sin = (torch.cat([each, each], -1) for each in (angles.cos(), angles.sin()))
    expected = (
        rotate(queries.view(1, 2, 2, 8), cos[None], sin[None]) * rotate(keys.view(1, 2, 2, 8), cos[None], sin[None])
    ).sum(-1)

    def neighbours(rows: torch.Tensor) -> torch.Tensor:
        pairs = torch.stack([in_pairs(row.view(16), 2) for row in rows.view(2, 16)]).view(2, 2, 4, 2)
        cosines, sines = angles.cos()[None].transpose(0, 1), angles.sin()[None].transpose(0, 1)
        first, second = pairs[..., 0], pairs[..., 1]
        return torch.stack([first * cosines - second * sines, second * cosines + first * sines], -1).flatten(2)

    heads = queries.view(2, 2, 8).transpose(0, 1).reshape(2, 16), keys.view(2, 2, 8).transpose(0, 1).reshape(2, 16)
    found = (neighbours(heads[0]) * neighbours(heads[1])).sum(-1)
    torch.testing.assert_close(found.transpose(0, 1)[None], expected)


def test_parts_that_the_engine_needs_add_nothing(write_child: WriteChild) -> None:
    written = values(
        export(write_child(per_layer_config={0: {"skip": ["attention"]}, 1: {"skip": ["mlp"]}}), "tokenizer=none")
    )
    assert not written["blk.0.attn_output.weight"].any() and written["blk.0.attn_output.weight"].shape == (32, 32)
    assert (written["blk.0.attn_norm.weight"] == 1).all()
    assert not any(written[f"blk.1.ffn_{name}.weight"].any() for name in ("gate", "up", "down"))
    assert written["blk.1.ffn_down.weight"].shape == (32, 32) and (written["blk.1.ffn_norm.weight"] == 1).all()


def test_a_linear_map_in_attentions_place_is_written_as_one(write_child: WriteChild) -> None:
    child = write_child(per_layer_config={1: {"attention_kind": "linear"}})
    reader = export(child, "tokenizer=none", "precision=f32")
    assert field(reader, "deci.attention.head_count_kv") == [2, 0, 2, 2, 2, 2]
    assert field(reader, "deci.attention.head_count") == [4] * 6
    own = load_file(child / "model.safetensors")["model.layers.1.self_attn.linear.weight"]
    assert np.array_equal(values(reader)["blk.1.attn_output.weight"], own.numpy())


@pytest.mark.parametrize(("precision", "error"), [("f32", 0), ("bf16", 2**-8), ("f16", 2**-11), ("q8_0", 1 / 127)])
def test_precisions_keep_what_they_promise(write_child: WriteChild, precision: str, error: float) -> None:
    child = write_child(per_layer_config={1: {"skip": ["attention"]}})
    reader = export(child, "tokenizer=none", f"precision={precision}")
    own, written = load_file(child / "model.safetensors"), values(reader)
    matrix, norm = (
        own["model.layers.1.mlp.down_proj.weight"].numpy(),
        own["model.layers.1.post_attention_layernorm.weight"],
    )
    assert np.abs(written["blk.1.ffn_down.weight"] - matrix).max() <= error * np.abs(matrix).max()
    assert np.array_equal(written["blk.1.ffn_norm.weight"], norm.numpy())


def test_bfloat16_children_are_written_without_loss(write_child: WriteChild) -> None:
    child = write_child()
    weights = {name: tensor.bfloat16() for name, tensor in load_file(child / "model.safetensors").items()}
    save_file(weights, child / "model.safetensors", metadata={"format": "pt"})
    written = values(export(child, "tokenizer=none", "precision=bf16"))
    assert np.array_equal(written["blk.0.ffn_up.weight"], weights["model.layers.0.mlp.up_proj.weight"].float().numpy())


@pytest.mark.parametrize(
    ("settings", "option", "reason"),
    [
        ({}, "precision=q8_0", "layer 1: q8_0 stores rows in blocks of 32, and an FFN has 41 channels"),
        ({"hidden_size": 36, "per_layer_config": {}}, "precision=q8_0", "its hidden size is 36"),
        ({"per_layer_config": {1: {"mlp_kind": "linear"}}}, "precision=f32", "llama.cpp knows no 'linear' FFN"),
        ({"qk_norm": True}, "precision=f32", "qk_norm"),
        ({"parallel_windows": [[3, 4]]}, "precision=f32", "some of its layers run in parallel"),
        ({"sliding_window": 16}, "precision=f32", "a window of 16 tokens"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}, "precision=f32", "'yarn'"),
    ],
)
def test_what_llama_cpp_would_get_wrong_is_refused(
    write_child: WriteChild, settings: dict[str, object], option: str, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        export(write_child(**settings), "tokenizer=none", option)


def test_values_that_float16_cannot_hold_are_refused(write_child: WriteChild, tmp_path: Path) -> None:
    child = write_child()
    weights = load_file(child / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e6
    save_file(weights, child / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="beyond float16; export it with `precision: bf16`"):
        export(child, "tokenizer=none", "precision=f16")
    assert not (tmp_path / "exported").exists()


def test_llama3_positions_are_a_tensor_of_factors(write_child: WriteChild) -> None:
    rope = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope["original_max_position_embeddings"] = 64
    factors = values(export(write_child(rope_parameters=rope), "tokenizer=none"))["rope_freqs.weight"]
    assert factors[0] == 1.0 and factors[-1] == pytest.approx(8.0) and len(factors) == 4


def test_one_tensor_is_in_memory_at_a_time(write_child: WriteChild, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[weakref.ref[torch.Tensor]] = []
    plain = LayerStack.read

    def watched(stack: LayerStack, name: str) -> torch.Tensor:
        tensor = plain(stack, name).clone()
        assert not [earlier for earlier in read if earlier() is not None], "an earlier tensor is still in memory"
        read.append(weakref.ref(tensor))
        return tensor

    monkeypatch.setattr(LayerStack, "read", watched)
    export(write_child(), "tokenizer=none")
    assert len(read) == len(load_file(write_child("again") / "model.safetensors"))


def test_the_tokenizer_comes_along(write_child: WriteChild) -> None:
    child = write_child()
    add_tokenizer(child)
    reader = export(child)
    tokens, kinds = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    assert isinstance(tokens, list) and isinstance(kinds, list)
    assert len(tokens) == len(kinds) == 64
    assert tokens[0] == "<s>" and kinds[0] == 3 and kinds[2] == 1
    assert tokens[63] == "[PAD63]" and kinds[63] == 5
    assert field(reader, "tokenizer.ggml.merges") == ["a b", "ab c"]
    assert field(reader, "tokenizer.ggml.pre") == "gpt-2", "ByteLevel alone splits as GPT-2's does"
    assert field(reader, "tokenizer.ggml.eos_token_id") == 1
    assert field(reader, "tokenizer.ggml.add_bos_token") is False
    assert field(reader, "tokenizer.chat_template") == "{{ messages }}"


def test_a_tokenizer_that_would_split_otherwise_is_refused_unless_it_is_named(write_child: WriteChild) -> None:
    child = write_child()
    with pytest.raises(UserError, match=r"no tokenizer.json in its folder; `tokenizer: none`"):
        export(child)
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    add_tokenizer(child, pre_tokenizer=digits)
    with pytest.raises(UserError, match="name it with `pre_tokenizer: NAME`"):
        export(child)
    assert field(export(child, "pre_tokenizer=smollm"), "tokenizer.ggml.pre") == "smollm"


def test_words_are_no_bytes(write_child: WriteChild) -> None:
    child = write_child()
    words = Tokenizer(models.WordLevel({"one": 0, "<unk>": 1}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(child)
    assert GGUFTokenizer(child).refusal == "its tokenizer is no byte-level BPE, the only kind that is written here"
