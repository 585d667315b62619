from dataclasses import replace

import pytest
import torch

from blockwright.child.assembly import assemble
from blockwright.errors import UserError
from blockwright.library import Library
from blockwright.models.evaluation import evaluate
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.problem import Choice, Infeasible, Problem, Solution, Solver
from blockwright.scoring import ScoreContext, ScorerOptions
from blockwright.searching.children import Children, SearchContext
from blockwright.searching.join_making import join_rule, open_joins
from blockwright.searching.join_making import with_joins as make_with_joins
from blockwright.searching.join_scoring import score_joins
from blockwright.searching.search import SearchResult, SearchSettings, search
from blockwright.solution_rules import broken_rules, total
from blockwright.transforms import JoinLimits


@pytest.fixture(scope="module")
def context(
    parent: Parent, library: Library, plugins: Plugins, unseen: torch.Tensor, tmp_path_factory: pytest.TempPathFactory
) -> SearchContext:
    return SearchContext(
        parent, library, plugins.variants, unseen, unseen.flip(0), 0, tmp_path_factory.mktemp("search")
    )


@pytest.fixture(scope="module")
def problem(context: SearchContext, plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """Least KL within 70 % of the parameters of the layers."""
    score_context = ScoreContext(
        context.parent, context.library, plugins.variants, context.tokens, tmp_path_factory.mktemp("scores"), 0
    )
    scores = dict(plugins.scorer("replace-one-block")(ScorerOptions()).score(score_context))

    def choice(sub_block: object, spec: object) -> Choice:
        shape = context.parent.shape(spec.slot)
        parameters = plugins.variants[(spec.slot, spec.kind)].parameters(spec, shape)
        return Choice(spec.label, scores[sub_block][spec.label], {"params": float(parameters)})

    choices = {
        str(sub_block): tuple(choice(sub_block, spec) for spec in context.library.variants(sub_block))
        for sub_block in context.parent.sub_blocks()
    }
    whole = sum(max(one.costs["params"] for one in options) for options in choices.values())
    return Problem(choices, {"params": 0.7 * whole})


def test_the_search_stays_within_the_budget_and_never_ends_worse_than_it_began(
    context: SearchContext, problem: Problem, plugins: Plugins
) -> None:
    solver = plugins.solver("highs")
    once = search(context, problem, solver(solver.Options()), SearchSettings(rounds=0))
    often = search(context, problem, solver(solver.Options()), SearchSettings(rounds=4, radius=3))
    assert often.solution.costs["params"] <= problem.limits["params"]
    assert often.realised <= once.realised
    assert often.rounds[0].realised == once.realised
    kept = [one.realised for one in often.rounds if one.kept]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == often.realised


def test_the_realised_divergence_is_that_of_the_assembled_child(
    context: SearchContext, problem: Problem, plugins: Plugins
) -> None:
    solver = plugins.solver("highs")
    result = search(context, problem, solver(solver.Options()), SearchSettings(rounds=1))
    assignment = context.library.assignment(result.solution.variants)
    child = assemble(context.parent, context.library, assignment, plugins.variants)
    every_position = torch.cat([context.judging, context.judging[:, :1]], dim=1)  # evaluation leaves the last one out
    measured = evaluate(context.parent.stack(), child, every_position)
    assert measured.kl_nats_per_token == pytest.approx(result.realised, rel=1e-4)


def test_the_search_is_the_same_every_time(context: SearchContext, problem: Problem, plugins: Plugins) -> None:
    solver = plugins.solver("highs")
    first, second = (search(context, problem, solver(solver.Options()), SearchSettings(rounds=2)) for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_scores_around_a_child_tell_what_one_more_change_does(
    context: SearchContext, problem: Problem, plugins: Plugins
) -> None:
    """Predicted against realised changes of the KL, over all single changes of a child: strongly correlated."""
    children = Children(context)
    centre = {
        name: options[-1].variant if name == "attention.1" else "keep" for name, options in problem.choices.items()
    }
    before, around = children.realise(centre), children.scores_around(centre, samples=8)
    changes = [(name, one.variant) for name, options in problem.choices.items() for one in options]
    predicted = torch.tensor([around[name][variant] for name, variant in changes])
    realised = torch.tensor([children.realise({**centre, name: variant}) - before for name, variant in changes])
    assert float(torch.corrcoef(torch.stack([predicted, realised]))[0, 1]) > 0.8
    assert all(around[name][centre[name]] == 0 for name in centre)


def test_several_optima_that_differ_are_looked_at_and_the_best_is_taken(
    context: SearchContext, problem: Problem, plugins: Plugins
) -> None:
    solver = plugins.solver("highs")
    settings = SearchSettings(children=4, distance=2, rounds=0)
    result = search(context, problem, solver(solver.Options()), settings)
    assert [one.part for one in result.rounds] == ["solve", "diverse", "diverse", "diverse"]
    assert [one.predicted for one in result.rounds] == sorted(one.predicted for one in result.rounds)
    assert result.realised == min(one.realised for one in result.rounds)
    once = result.rounds[0].realised
    assert result.gains == pytest.approx({"diverse": once - result.realised})


def test_children_of_other_solvers_are_looked_at_too(
    context: SearchContext, problem: Problem, plugins: Plugins
) -> None:
    class Worst(Solver):
        """Keeps the limit by skipping all that it can."""

        name = "worst"

        def solve(self, problem: Problem) -> Solution:
            chosen = {
                name: min(options, key=lambda one: one.costs["params"]) for name, options in problem.choices.items()
            }
            variants = {name: one.variant for name, one in chosen.items()}
            return Solution(variants, 0.0, 0.0, 0.0, "heuristic", 0.0, 0, {"params": 0.0})

    highs = plugins.solver("highs")
    settings = SearchSettings(children=1, rounds=0)
    result = search(context, problem, highs(highs.Options()), settings, {"worst": Worst(Worst.Options())})
    first, other = result.rounds
    assert (other.part, other.kept) == ("start worst", False)
    assert other.realised > first.realised == result.realised


def test_fewer_tokens_judge_when_asked(context: SearchContext, problem: Problem, plugins: Plugins) -> None:
    solver = plugins.solver("highs")
    length = context.judging.shape[1]
    few = search(context, problem, solver(solver.Options()), SearchSettings(children=1, rounds=0, tokens=2 * length))
    assert few.tokens == 2 * length < context.judging.numel()
    assert few.realised == pytest.approx(Children(context).realise(few.solution.variants, 2 * length))
    assert few.realised != Children(context).realise(few.solution.variants)


def test_a_solver_that_knows_no_ball_and_no_distance_searches_without_them(
    context: SearchContext, problem: Problem, plugins: Plugins
) -> None:
    greedy = plugins.solver("greedy")
    result = search(context, problem, greedy(greedy.Options()), SearchSettings(children=3, rounds=2))
    assert [one.part for one in result.rounds] == ["solve"]
    assert result.solution.costs["params"] <= problem.limits["params"]


@pytest.fixture(scope="module")
def with_joins(context: SearchContext, problem: Problem, plugins: Plugins) -> Problem:
    """Joins of measured scores that save so much that some pay."""
    space = {one: context.library.variants(one) for one in context.parent.sub_blocks()}
    limits = JoinLimits(exclude_last=False)
    opened = open_joins(context.parent, space, plugins.variants, limits)
    joins = score_joins(context.parent.stack(), context.tokens, opened, context.folder)
    saved = {"params": 0.1 * problem.limits["params"]}
    return make_with_joins(problem, joins, saved, join_rule(context.parent, space, plugins.variants, limits))


def _searched(context: SearchContext, problem: Problem, plugins: Plugins, **settings: object) -> SearchResult:
    solver = plugins.solver("highs")
    return search(context, problem, solver(solver.Options()), SearchSettings.model_validate(settings))


def test_joint_is_never_worse_than_post(context: SearchContext, with_joins: Problem, plugins: Plugins) -> None:
    """Attentions are skipped, and of three FFNs one can be kept whole; for more, joins must save something."""
    fewest = {name: frozenset(["skip", "linear", "narrow=12"]) for name in ("ffn.0", "ffn.1", "ffn.2")}
    forced = {"attention.0": "keep", "attention.1": "skip", "attention.2": "skip"}
    kept = {**forced, **dict.fromkeys(fewest, "narrow=30"), "ffn.1": "keep"}
    limit = total(with_joins, kept)[1]["params"]
    problem = replace(with_joins, forced=forced, forbidden=fewest, limits={"params": limit})
    asked = {"children": 2, "distance": 1, "rounds": 1, "radius": 3}
    post, joint = (_searched(context, problem, plugins, fusion=fusion, **asked) for fusion in ("post", "joint"))
    assert joint.realised <= post.realised
    assert [one.realised for one in joint.rounds[: len(post.rounds)]] == [one.realised for one in post.rounds]
    assert {one.part for one in joint.rounds} >= {"post solve", "post diverse", "solve", "diverse"}
    assert not broken_rules(problem, joint.solution.variants, joint.solution.joined)


def test_joint_finds_what_only_joins_bring_within_reach(
    context: SearchContext, with_joins: Problem, plugins: Plugins
) -> None:
    least = sum(min(one.costs["params"] for one in options) for options in with_joins.choices.values())
    kept = {f"ffn.{layer}": frozenset(["skip", "linear"]) for layer in range(3)}
    narrow = sum(
        min(one.costs["params"] for one in with_joins.choices[name] if one.variant not in kept[name]) for name in kept
    )
    tight = replace(with_joins, limits={"params": least + narrow - 1.0}, forbidden=kept)
    with pytest.raises(Infeasible):
        _searched(context, tight, plugins, rounds=0, children=1, fusion="post")
    found = _searched(context, tight, plugins, rounds=0, children=1, fusion="joint")
    chosen = found.solution
    assert chosen.joined
    assert [one.part for one in found.rounds] == ["solve"]
    assert found.realised == pytest.approx(Children(context).realise(chosen.variants, None, chosen.joined))
    assert found.realised != pytest.approx(Children(context).realise(chosen.variants))


def test_a_problem_without_joins_is_searched_alike_whatever_fusion_says(
    context: SearchContext, problem: Problem, plugins: Plugins
) -> None:
    off, joint = (_searched(context, problem, plugins, rounds=0, fusion=fusion) for fusion in (False, "joint"))
    assert off.to_dict() == joint.to_dict()


def test_a_solver_that_cannot_join_refuses_by_name(
    context: SearchContext, with_joins: Problem, plugins: Plugins
) -> None:
    greedy = plugins.solver("greedy")
    with pytest.raises(UserError, match="'greedy' does not support joins"):
        search(context, with_joins, greedy(greedy.Options()), SearchSettings(fusion="joint"))
