"""Children on disk: what is in the folder, that it is whole or absent, and that it loads as what was assembled."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from blockwright.building.library import build_library
from blockwright.child.assembly import Assignment, Variants, assemble
from blockwright.child.checkpoint import CheckpointSettings, planned_tensors, write_child
from blockwright.construction import LibrarySettings
from blockwright.library import Library
from blockwright.models.stack import LayerStack, run_layers
from blockwright.parent import Parent, open_parent
from blockwright.variants import SubBlock, VariantSpec
from blockwright_plugins.families.llama import Llama
from blockwright_plugins.variants import register_block_variants

VARIANTS: Variants = {(each.slot, each.kind): each() for each in register_block_variants()}
CHOICES = {
    "attention": ("keep", "skip", "linear", "kv_heads=1"),
    "ffn": ("keep", "skip", "linear", "narrow=20"),
}
CHOSEN = (
    ("skip", "narrow=20"),
    ("keep", "keep"),
    ("kv_heads=1", "skip"),
    ("linear", "linear"),
    ("skip", "skip"),
    ("keep", "narrow=20"),
)


def spec(slot: str, label: str) -> VariantSpec:
    kind, _, number = label.partition("=")
    option = {"kv_heads": "heads", "narrow": "width"}.get(kind)
    return VariantSpec(slot, kind, ((option, int(number)),) if option else ())  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def parent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Parent:
    folder = tmp_path_factory.mktemp("parent")
    torch.manual_seed(0)
    sizes = dict(vocab_size=50, hidden_size=24, intermediate_size=40, num_hidden_layers=6, initializer_range=0.3)
    heads = dict(num_attention_heads=6, num_key_value_heads=3, tie_word_embeddings=request.param)
    LlamaForCausalLM(LlamaConfig(**sizes, **heads)).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({"one": 0, "two": 1, "<unk>": 2}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    tokenizer.save_pretrained(folder)
    return open_parent(folder, {"llama": Llama()})


@pytest.fixture(scope="module")
def library(parent: Parent, tmp_path_factory: pytest.TempPathFactory) -> Library:
    space = {block: tuple(spec(block.slot, label) for label in CHOICES[block.slot]) for block in parent.sub_blocks()}
    tokens = torch.randint(0, 50, (8, 16), generator=torch.Generator().manual_seed(0))
    folder = tmp_path_factory.mktemp("library")
    return build_library(
        parent, space, VARIANTS, {"calibration": tokens, "heldback": tokens[:2]}, LibrarySettings(), folder, seed=0
    )


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    pairs = [
        (SubBlock(layer, slot), label)
        for layer, pair in enumerate(CHOSEN)
        for slot, label in zip(CHOICES, pair, strict=True)
    ]  # type: ignore[arg-type]
    return {block: spec(block.slot, label) for block, label in pairs}


@pytest.fixture
def stack(parent: Parent, library: Library, assignment: Assignment) -> LayerStack:
    return assemble(parent, library, assignment, VARIANTS)


Files = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def files() -> Files:
    return lambda folder: {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_child_loads_as_what_was_assembled(stack: LayerStack, parent: Parent, tmp_path: Path) -> None:
    write_child(tmp_path / "child", stack, parent)
    tokens = torch.randint(0, 50, (2, 9))
    with torch.no_grad():
        expected = stack.head()(run_layers(stack, stack.embed(tokens)))
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "child")(tokens).logits
    torch.testing.assert_close(loaded, expected, atol=1e-5, rtol=1e-5)


def test_parameters_are_those_that_the_variants_count(
    stack: LayerStack, parent: Parent, assignment: Assignment, tmp_path: Path
) -> None:
    write_child(tmp_path / "child", stack, parent)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "child")
    counted = sum(
        VARIANTS[(block.slot, chosen.kind)].parameters(chosen, parent.shape(block.slot))
        for block, chosen in assignment.items()
    )
    embeddings = 50 * 24 * (1 if parent.config.tie_word_embeddings else 2)
    assert model.num_parameters() == counted + embeddings + 24
    assert sum(torch.Size(tensor.shape).numel() for tensor in planned_tensors(stack.config)) == model.num_parameters()


def test_the_folder_is_a_plain_checkpoint(stack: LayerStack, parent: Parent, tmp_path: Path) -> None:
    write_child(tmp_path / "child", stack, parent)
    config = json.loads((tmp_path / "child" / "config.json").read_text())
    assert config["model_type"] == "blockwright"
    assert config["architectures"] == ["BlockwrightForCausalLM"]
    assert config["dtype"] == "float32"
    assert config["auto_map"]["AutoModelForCausalLM"] == "modeling_blockwright.BlockwrightForCausalLM"
    assert config["per_layer_config"]["2"] == {"num_key_value_heads": 1, "skip": ["mlp"]}
    assert "_attn_implementation" not in config
    tensors = load_file(tmp_path / "child" / "model.safetensors")
    assert ("lm_head.weight" in tensors) is not parent.config.tie_word_embeddings
    assert not [name for name in tensors if name.startswith("model.layers.4.")], "a skipped layer stores nothing"


def test_tokenizer_template_and_generation_settings_come_along(
    stack: LayerStack, parent: Parent, tmp_path: Path
) -> None:
    write_child(tmp_path / "child", stack, parent)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "child")
    assert tokenizer.apply_chat_template([{"role": "user", "content": "two"}], tokenize=False) == "two"
    generation = (tmp_path / "child" / "generation_config.json").read_bytes()
    assert generation == (parent.directory / "generation_config.json").read_bytes()


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE.txt", "COPYING.md", "USE_POLICY.md", "LICENCE.txt"])
def test_the_parents_licence_goes_where_its_weights_go(
    name: str, stack: LayerStack, parent: Parent, tmp_path: Path
) -> None:
    text = parent.directory / name
    text.write_text("under these terms")
    try:
        write_child(tmp_path / "child", stack, parent)
    finally:
        text.unlink()
    assert (tmp_path / "child" / name).read_text() == "under these terms"


def test_equal_children_are_equal_bytes(stack: LayerStack, parent: Parent, tmp_path: Path, files: Files) -> None:
    for name in ("first", "second"):
        write_child(tmp_path / name, stack, parent)
    assert files(tmp_path / "first") == files(tmp_path / "second")


def test_a_finished_child_stays_as_it_is(stack: LayerStack, parent: Parent, tmp_path: Path, files: Files) -> None:
    write_child(tmp_path / "child", stack, parent)
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "child").iterdir()}
    write_child(tmp_path / "child", stack, parent)
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "child").iterdir()} == before


def test_each_tensor_is_read_once_and_none_is_kept(stack: LayerStack, parent: Parent, tmp_path: Path) -> None:
    read: list[weakref.ref[torch.Tensor]] = []

    class Watched(LayerStack):
        def read(self, name: str) -> torch.Tensor:
            tensor = super().read(name).clone()
            assert not [earlier for earlier in read if earlier() is not None], "an earlier tensor is still in memory"
            read.append(weakref.ref(tensor))
            return tensor

    write_child(tmp_path / "child", Watched(stack.config, stack.source), parent)
    assert len(read) == len(planned_tensors(stack.config))


class Breaking:
    """A source that fails in the middle, as a kill would."""

    def __init__(self, stack: LayerStack) -> None:
        self.source = stack.source

    def names(self) -> list[str]:
        return list(self.source.names())

    def read(self, name: str) -> torch.Tensor:
        if name.startswith("model.layers.3."):
            raise RuntimeError("killed")
        return self.source.read(name)


def test_a_child_is_whole_or_absent(stack: LayerStack, parent: Parent, tmp_path: Path) -> None:
    (tmp_path / ".child.part").mkdir()
    (tmp_path / ".child.part" / "left by a kill").touch()
    with pytest.raises(RuntimeError, match="killed"):
        write_child(tmp_path / "child", LayerStack(stack.config, Breaking(stack)), parent)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".child.part").mkdir()
    (tmp_path / ".child.part" / "left by a kill").touch()
    write_child(tmp_path / "child", stack, parent)
    assert [path.name for path in tmp_path.iterdir()] == ["child"]
    assert not (tmp_path / "child" / "left by a kill").exists()


def test_shards_and_dtype_are_as_asked(stack: LayerStack, parent: Parent, tmp_path: Path) -> None:
    settings = CheckpointSettings(dtype="bfloat16", shard_bytes=5000)
    write_child(tmp_path / "child", stack, parent, settings)
    assert len(list((tmp_path / "child").glob("model-*.safetensors"))) > 2
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "child")
    assert model.dtype == torch.bfloat16
    written = model.state_dict()["model.layers.2.self_attn.o_proj.weight"]
    assert torch.equal(written, stack.read("model.layers.2.self_attn.o_proj.weight").bfloat16())


def test_the_parents_precision_is_kept_when_nothing_else_is_asked(
    stack: LayerStack, parent: Parent, tmp_path: Path
) -> None:
    AutoModelForCausalLM.from_pretrained(parent.directory, dtype=torch.bfloat16).save_pretrained(tmp_path / "parent")
    write_child(tmp_path / "child", stack, open_parent(tmp_path / "parent", {"llama": Llama()}))
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "child").dtype == torch.bfloat16
