"""The child's config: what each layer is, and what it keeps through JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM


def test_layers_without_cached_attention_are_labelled(mixed_child: BlockwrightForCausalLM) -> None:
    full, free = "full_attention", "moe"
    assert mixed_child.config.layer_types == [free, full, full, free, free, full, full, free]


def test_a_child_without_any_attention_keeps_one_layer_to_measure(any_child: BlockwrightForCausalLM) -> None:
    assert set(any_child.config.layer_types) != {"moe"}


def test_layers_read_their_own_overrides(mixed_child: BlockwrightForCausalLM) -> None:
    layers = [mixed_child.config.layer(index) for index in range(8)]
    assert [layer.num_key_value_heads for layer in layers] == [3, 3, 1, 3, 3, 3, 3, 3]
    assert [layer.intermediate_size for layer in layers] == [32, 32, 16, 32, 32, 32, 40, 32]
    assert [layer.skip for layer in layers][:4] == [["attention"], ["mlp"], [], ["attention", "mlp"]]


def test_reading_a_layer_leaves_the_config_as_it_was(make_child) -> None:  # type: ignore[no-untyped-def]
    config = make_child().config
    before = config.to_dict()
    config.layer(0).intermediate_size = 1
    assert config.to_dict() == before
    assert "skip" not in before


def test_the_config_survives_json(any_child: BlockwrightForCausalLM, tmp_path: Path) -> None:
    any_child.config.save_pretrained(tmp_path)
    assert BlockwrightConfig.from_pretrained(tmp_path).to_dict() == any_child.config.to_dict()


def test_labels_follow_the_overrides_and_not_old_labels() -> None:
    config = BlockwrightConfig(num_hidden_layers=2, layer_types=["moe", "full_attention"])
    assert config.layer_types == ["full_attention", "full_attention"]


def test_a_plugins_attention_may_say_that_it_keeps_no_cache() -> None:
    overrides = {1: {"attention_kind": "theirs", "attention_has_cache": False}}
    assert BlockwrightConfig(num_hidden_layers=2, per_layer_config=overrides).layer_types == ["full_attention", "moe"]


@pytest.mark.parametrize("windows", [[[1, 1]], [[3, 1]], [[0, 2], [2, 3]], [[2, 8]], [[-1, 2]]])
def test_windows_that_are_none_are_refused(windows: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="are no windows of two layers or more that lie apart"):
        BlockwrightConfig(num_hidden_layers=8, parallel_windows=windows)


def test_a_layer_knows_whether_it_shares_its_input() -> None:
    config = BlockwrightConfig(num_hidden_layers=8, parallel_windows=[[4, 5], [1, 3]])
    assert [config.shares_input(index) for index in range(8)] == [False, False, True, True, False, True, False, False]
