from pathlib import Path

import pytest
import torch

from blockwright.child.assembly import assemble
from blockwright.library import Library
from blockwright.models.evaluation import evaluate
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.scoring import ScoreContext, Scores
from blockwright.variants import SubBlock


@pytest.fixture(scope="module")
def context(
    parent: Parent, library: Library, plugins: Plugins, unseen: torch.Tensor, tmp_path_factory: pytest.TempPathFactory
) -> ScoreContext:
    folder: Path = tmp_path_factory.mktemp("scores")
    return ScoreContext(parent, library, plugins.variants, unseen, folder, seed=0)


def _scores(context: ScoreContext, plugins: Plugins, name: str, **options: object) -> dict[SubBlock, Scores]:
    scorer = plugins.scorer(name)
    return dict(scorer(scorer.Options(**options)).score(context))


def test_replace_one_block_is_the_divergence_of_the_child_with_that_block(
    context: ScoreContext, plugins: Plugins
) -> None:
    scores = _scores(context, plugins, "replace-one-block")
    every_position = torch.cat([context.tokens, context.tokens[:, :1]], dim=1)
    for sub_block in (SubBlock(0, "attention"), SubBlock(1, "ffn"), SubBlock(2, "ffn")):
        spec = context.library.variants(sub_block)[-2]
        child = assemble(context.parent, context.library, {sub_block: spec}, plugins.variants)
        measured = evaluate(context.parent.stack(), child, every_position).kl_nats_per_token
        assert scores[sub_block][spec.label] == pytest.approx(measured, rel=1e-4)


def test_fisher_ranks_the_library_as_replace_one_block_does(context: ScoreContext, plugins: Plugins) -> None:
    exact = _scores(context, plugins, "replace-one-block")
    fisher = _scores(context, plugins, "fisher", samples=16)
    pairs = [
        (exact[sub_block][label], fisher[sub_block][label])
        for sub_block in exact
        for label in exact[sub_block]
        if label != "keep"
    ]
    ranks = torch.tensor(pairs).argsort(dim=0).argsort(dim=0).double()
    assert float(torch.corrcoef(ranks.T)[0, 1]) > 0.9


@pytest.mark.parametrize("name", ["fisher", "replace-one-block"])
def test_keeping_costs_nothing_and_everything_else_something(
    context: ScoreContext, plugins: Plugins, name: str
) -> None:
    scores = _scores(context, plugins, name)
    assert set(scores) == set(context.parent.sub_blocks())
    assert all((score == 0) == (label == "keep") for block in scores.values() for label, score in block.items())


@pytest.mark.parametrize("name", ["fisher", "replace-one-block"])
def test_scored_sub_blocks_are_passed_over_and_the_rest_scores_the_same(
    context: ScoreContext, plugins: Plugins, name: str
) -> None:
    done = frozenset({SubBlock(0, "ffn"), SubBlock(2, "attention")})
    rest = ScoreContext(
        context.parent, context.library, plugins.variants, context.tokens, context.directory, 0, scored=done
    )
    whole = _scores(context, plugins, name)
    assert _scores(rest, plugins, name) == {key: value for key, value in whole.items() if key not in done}
