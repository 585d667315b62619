"""`block-influence` and `cosine`, against transformers' own forward pass of the tiny parent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from blockwright.library import Library
from blockwright.models.weights import SafetensorsSource
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.scoring import ScoreContext, Scores
from blockwright.variants import SLOTS, SubBlock, VariantSpec

NAMES = ("block-influence", "cosine")
Streams = dict[str, Tensor]  # the stream "before", in the "middle" and "after" a layer


@pytest.fixture(scope="module")
def context(
    parent: Parent, library: Library, plugins: Plugins, unseen: Tensor, tmp_path_factory: pytest.TempPathFactory
) -> ScoreContext:
    folder: Path = tmp_path_factory.mktemp("scores")
    return ScoreContext(parent, library, plugins.variants, unseen, folder, seed=0)


@pytest.fixture(scope="module")
def streams(context: ScoreContext) -> list[Streams]:
    return _transformers_streams(context.parent, context.tokens)


def _transformers_streams(parent: Parent, tokens: Tensor) -> list[Streams]:
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(parent.directory, dtype=torch.float32)
    seen: list[Streams] = [{} for _ in range(parent.layers)]
    for at, layer in zip(seen, model.model.layers, strict=True):
        layer.input_layernorm.register_forward_pre_hook(lambda _, inputs, at=at: at.update(before=inputs[0]))
        layer.post_attention_layernorm.register_forward_pre_hook(lambda _, inputs, at=at: at.update(middle=inputs[0]))
        layer.register_forward_hook(lambda _, inputs, output, at=at: at.update(after=output))
    with torch.no_grad():
        model(tokens)
    return seen


def _turned(before: Tensor, after: Tensor) -> float:
    return 1 - float(cosine_similarity(before, after, dim=-1).mean())


def _scores(context: ScoreContext, plugins: Plugins, name: str) -> dict[SubBlock, Scores]:
    scorer = plugins.scorer(name)
    return dict(scorer(scorer.Options()).score(context))


def test_block_influence_of_a_removed_layer_is_how_much_the_layer_turns_the_stream(
    context: ScoreContext, plugins: Plugins, streams: list[Streams]
) -> None:
    scores = _scores(context, plugins, "block-influence")
    for layer, at in enumerate(streams):
        halves = [scores[SubBlock(layer, slot)]["skip"] for slot in SLOTS]
        assert halves[0] == halves[1] > 0
        assert sum(halves) == pytest.approx(_turned(at["before"], at["after"]), rel=1e-4)


def test_cosine_of_a_removed_sub_block_is_how_much_it_turns_the_stream(
    context: ScoreContext, plugins: Plugins, streams: list[Streams]
) -> None:
    scores = _scores(context, plugins, "cosine")
    for layer, at in enumerate(streams):
        attention, ffn = (scores[SubBlock(layer, slot)]["skip"] for slot in SLOTS)
        assert attention == pytest.approx(_turned(at["before"], at["middle"]), rel=1e-4)
        assert ffn == pytest.approx(_turned(at["middle"], at["after"]), rel=1e-4)


class _Quieter(SafetensorsSource):
    """The parent's weights, with layer 1 adding a tenth to the stream of what it did."""

    def read(self, name: str) -> Tensor:
        quieted = "layers.1." in name and name.endswith(("o_proj.weight", "down_proj.weight"))
        return super().read(name) / 10 if quieted else super().read(name)


class _QuieterParent(Parent):
    def source(self) -> SafetensorsSource:
        return _Quieter(self.directory)


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_that_changes_the_stream_more_scores_more(context: ScoreContext, plugins: Plugins, name: str) -> None:
    parent = context.parent
    quieter = replace(context, parent=_QuieterParent(parent.directory, parent.config, parent.family))
    loud, quiet = _scores(context, plugins, name), _scores(quieter, plugins, name)
    for slot in SLOTS:
        assert quiet[SubBlock(1, slot)]["skip"] < loud[SubBlock(1, slot)]["skip"] / 4
        assert quiet[SubBlock(0, slot)] == loud[SubBlock(0, slot)]


@pytest.mark.parametrize("name", NAMES)
def test_keep_scores_nothing_and_a_variant_the_share_of_parameters_that_it_lacks(
    context: ScoreContext, plugins: Plugins, name: str
) -> None:
    scores = _scores(context, plugins, name)
    assert set(scores) == set(context.parent.sub_blocks())
    for sub_block, block in scores.items():
        shape = context.parent.shape(sub_block.slot)
        counts = {
            spec.label: plugins.variants[(spec.slot, spec.kind)].parameters(spec, shape)
            for spec in context.library.variants(sub_block)
        }
        assert block["keep"] == 0
        for label, count in counts.items():
            assert block[label] == pytest.approx(block["skip"] * (1 - count / counts["keep"]))


def test_a_variant_larger_than_what_it_replaces_scores_nothing_rather_than_less(
    context: ScoreContext, plugins: Plugins
) -> None:
    class Larger(type(plugins.variants["ffn", "narrow"])):  # type: ignore[misc]
        def parameters(self, spec: VariantSpec, shape: object) -> int:
            return 10**9

    larger = replace(context, variants={**plugins.variants, ("ffn", "narrow"): Larger()})
    assert _scores(larger, plugins, "cosine")[SubBlock(0, "ffn")]["narrow=12"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_scored_sub_blocks_are_passed_over_and_the_rest_scores_the_same(
    context: ScoreContext, plugins: Plugins, name: str
) -> None:
    done = frozenset({SubBlock(0, "ffn"), SubBlock(2, "attention")})
    rest, whole = replace(context, scored=done), _scores(context, plugins, name)
    assert _scores(rest, plugins, name) == {key: value for key, value in whole.items() if key not in done}


@pytest.mark.parametrize("name", NAMES)
def test_the_scorers_say_that_their_unit_is_not_nats(plugins: Plugins, name: str) -> None:
    assert not plugins.scorer(name).in_nats
    assert plugins.scorer("fisher").in_nats
