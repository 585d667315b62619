"""An export is whole or absent, says what it is, and refuses what it cannot write exactly."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.errors import UserError
from blockwright.exporters import ChildLayer, ExportContext, Exported, Exporter, ExporterOptions
from blockwright.exporting.architecture import parameters, strip_of_config
from blockwright.exporting.exporting import export_child
from blockwright.exporting.layers import layers_of
from blockwright.exporting.origin import Cost, Origin, licence_in, public_source

CONFIG = BlockwrightConfig(
    vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, sliding_window=8, layer_types=["full_attention", "sliding_attention"] * 2,
    per_layer_config={0: {"skip": ["attention"]}, 2: {"intermediate_size": 12, "attention_kind": "linear"},
                      3: {"num_key_value_heads": 1, "skip": ["mlp"]}},
)  # fmt: skip
ORIGIN = Origin(
    "tiny-child", "somebody/parent", "abc123", "apache-2.0", (Cost("params", "1 k", "2 k", "50.0%", "60%"),),
    {"kl_nats_per_token": 0.25, "tokens": 1024}, ("refit",), ("pydoc:modules",), "0.1.0",
)  # fmt: skip


class ListingExporter(Exporter):
    """Writes the layers, a line each; a third-party exporter is about this long."""

    name = "listing"

    def refuses(self, config: BlockwrightConfig) -> Iterable[str]:
        return ["tied embeddings have no place in a listing"] if config.tie_word_embeddings else []

    def refuses_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        return ["linear maps cannot be listed"] if layer.attention == "linear" else []

    def export(self, context: ExportContext) -> Exported:
        (context.directory / "layers.txt").write_text("\n".join(map(str, layers_of(context.stack().config))))
        return Exported(f"cat {context.destination}/layers.txt", ("Read it aloud.",))


@pytest.fixture
def listing() -> ListingExporter:
    return ListingExporter(ExporterOptions())


def write(folder: Path, config: BlockwrightConfig) -> Path:
    torch.manual_seed(0)
    BlockwrightForCausalLM(config).save_pretrained(folder)
    return folder


def without_linear(**settings: object) -> BlockwrightConfig:
    data = {**CONFIG.to_dict(), "per_layer_config": {0: {"skip": ["attention"]}}, "layer_types": None, **settings}
    return BlockwrightConfig(**data)


def test_layers_are_told_as_they_are() -> None:
    assert layers_of(CONFIG) == (
        ChildLayer(0, None, 0, None, "standard", 24),
        ChildLayer(1, "standard", 2, 8, "standard", 24),
        ChildLayer(2, "linear", 0, None, "standard", 12),
        ChildLayer(3, "standard", 1, 8, None, 0),
    )


def test_what_cannot_be_exact_is_refused_with_every_reason_and_writes_nothing(
    listing: ListingExporter, tmp_path: Path
) -> None:
    config = BlockwrightConfig(**{**CONFIG.to_dict(), "tie_word_embeddings": True})
    child = write(tmp_path / "child", config)
    with pytest.raises(UserError) as refused:
        export_child(listing, child, tmp_path / "out", ORIGIN)
    assert list(refused.value.lines) == [
        f"{child}: cannot be exported to listing: tied embeddings have no place in a listing",
        f"{child}: cannot be exported to listing: layer 2: linear maps cannot be listed",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["child"]


def test_a_folder_that_is_there_is_never_written_over(listing: ListingExporter, tmp_path: Path) -> None:
    child = write(tmp_path / "child", without_linear())
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="is there already"):
        export_child(listing, child, tmp_path / "out", ORIGIN)


def test_an_exporter_that_fails_leaves_nothing(tmp_path: Path) -> None:
    class Failing(ListingExporter):
        def export(self, context: ExportContext) -> Exported:
            super().export(context)
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        export_child(Failing(ExporterOptions()), write(tmp_path / "child", without_linear()), tmp_path / "out", ORIGIN)
    assert [path.name for path in tmp_path.iterdir()] == ["child"]


def test_what_is_no_child_is_told_in_a_line(listing: ListingExporter, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config.json in it"):
        export_child(listing, tmp_path, tmp_path / "out", ORIGIN)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="a model of type 'llama', not a child"):
        export_child(listing, tmp_path, tmp_path / "out", ORIGIN)


def test_the_card_tells_command_layers_costs_quality_and_origin(listing: ListingExporter, tmp_path: Path) -> None:
    config = without_linear()
    export_child(listing, write(tmp_path / "child", config), tmp_path / "out", ORIGIN)
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\nbase_model: somebody/parent\n")
    assert "cat ./layers.txt" in card and str(tmp_path) not in card, "the card goes where this machine's paths do not"
    assert "| params | 1 k | 2 k | 50.0% | 60% |" in card
    assert "| kl nats per token | 0.25 |" in card and "1,024 tokens" in card
    assert "- Parent: somebody/parent at revision abc123" in card
    assert "- Read it aloud." in card
    assert "attention ·███" in card
    picture = (tmp_path / "out" / "architecture.svg").read_text()
    assert "](architecture.svg)" in card and picture.startswith("<svg") and 'class="bw-strip"' in picture


def test_the_licence_and_its_text_go_where_the_weights_go(listing: ListingExporter, tmp_path: Path) -> None:
    child = write(tmp_path / "child", without_linear())
    (child / "LICENSE.txt").write_text("do as you please")
    export_child(listing, child, tmp_path / "out", ORIGIN)
    assert (tmp_path / "out" / "LICENSE.txt").read_text() == "do as you please"
    assert licence_in(tmp_path / "out") == "apache-2.0", "a card can be read back"
    assert licence_in(tmp_path) == ""


def test_the_strip_is_that_of_the_weights() -> None:
    strip = strip_of_config(CONFIG)
    assert [cell.label for cell in strip.attention] == ["skip", "keep", "linear", "kv_heads=1"]
    assert [cell.label for cell in strip.ffn] == ["keep", "keep", "narrow=12", "skip"]
    assert strip.ffn[2].share == 0.5
    assert strip.attention[3].share == pytest.approx(5 / 6)
    model = BlockwrightForCausalLM(CONFIG)
    assert parameters(CONFIG) == model.num_parameters()


def test_the_command_of_the_card_is_whole_where_the_folder_is_called_like_a_word_of_it(
    listing: ListingExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = write(tmp_path / "child", without_linear())
    monkeypatch.chdir(tmp_path)
    export_child(listing, child, Path("cat"), ORIGIN)
    assert "\ncat ./layers.txt\n" in (tmp_path / "cat" / "README.md").read_text()


def test_layers_side_by_side_are_drawn_so() -> None:
    config = without_linear(parallel_windows=[[1, 2]])
    assert strip_of_config(config).parallel == (range(1, 3),)


def test_no_path_of_this_machine_is_told() -> None:
    sources = [{"source": "/home/me/x.jsonl", "weight": 2}, "/home/me/a:b.txt", "pydoc:modules"]
    assert [public_source(source) for source in sources] == ["x.jsonl", "a:b.txt", "pydoc:modules"]
