"""Small seeded problems of every kind, and all their children by brute force."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from blockwright.problem import Apart, Ball, Choice, Feature, Join, JoinRule, Joint, Problem
from blockwright.solution_rules import broken_rules, total

Variants = Mapping[str, str]
LABELS = ("keep", "half", "skip")


def random_problem(seed: int, features: Collection[Feature] = (), layers: int = 2, labels: int = 3) -> Problem:
    """`layers` attentions and as many FFNs; the limits are near the totals of a random child, so most bind."""
    draw = random.Random(seed)
    names = [f"{slot}.{layer}" for layer in range(layers) for slot in ("attention", "ffn")]
    choices = {name: tuple(_choice(draw, label) for label in LABELS[:labels]) for name in names}
    problem = Problem(choices, {}, {"params": 100.0, "memory": 1e6})
    for feature, added in _ADDED.items():
        if feature in features:
            problem = added(problem, draw)
    return _with_limits(problem, draw, several="several_limits" in features)


def children(problem: Problem) -> list[tuple[float, Variants]]:
    """Objective and variants of every child that breaks nothing, best first; each with the best of its joins."""
    labels = [[choice.variant for choice in options] for options in problem.choices.values()]
    all_children = [dict(zip(problem.choices, taken, strict=True)) for taken in itertools.product(*labels)]
    best = [(min(_objectives(problem, variants), default=None), variants) for variants in all_children]
    sound = [(objective, variants) for objective, variants in best if objective is not None]
    return sorted(sound, key=lambda child: child[0])


def random_child(problem: Problem, draw: random.Random) -> dict[str, str]:
    """One variant a sub-block, by chance; rules are not looked at."""
    return {name: draw.choice(options).variant for name, options in problem.choices.items()}


def _objectives(problem: Problem, variants: Variants) -> Iterator[float]:
    """One for each way of joining that breaks nothing."""
    pairs = [(join.left, join.right) for join in problem.joins]
    for count in range(len(pairs) + 1):
        for joined in itertools.combinations(pairs, count):
            if not broken_rules(problem, variants, joined):
                yield total(problem, variants, joined)[0]


def _choice(draw: random.Random, label: str) -> Choice:
    """A kept part costs most and loses nothing, one that is gone costs nothing; scores elsewhere have either sign."""
    share = {"keep": 1.0, "half": 0.5, "skip": 0.0}[label]
    score = 0.0 if label == "keep" else draw.uniform(-0.2, 1.0)
    params = float(draw.randint(50, 150) * share)
    return Choice(label, score, {"params": params, "memory": share * draw.uniform(1e6, 1e9)})


def _with_limits(problem: Problem, draw: random.Random, several: bool) -> Problem:
    _, costs = total(problem, random_child(problem, draw))
    limited = ("params", "memory") if several else ("params",)
    return replace(problem, limits={resource: costs[resource] for resource in limited})


def _with_floors(problem: Problem, draw: random.Random) -> Problem:
    """A part of what a random child takes."""
    _, costs = total(problem, random_child(problem, draw))
    return replace(problem, floors={"params": 0.7 * costs["params"], "memory": 0.5 * costs["memory"]})


def _with_a_group(problem: Problem, draw: random.Random) -> Problem:
    """Two sub-blocks that must agree; one of them has lost a label that the other offers."""
    names = draw.sample(sorted(problem.choices), k=min(2, len(problem.choices)))
    fewer = problem.choices[names[0]][:-1] if draw.random() < 0.5 else problem.choices[names[0]]
    choices = {**problem.choices, names[0]: fewer or problem.choices[names[0]]}
    return replace(problem, choices=choices, groups=(tuple(names),))


def _with_joints(problem: Problem, draw: random.Random) -> Problem:
    """Scores and costs of either sign, on one to three sub-blocks."""
    return replace(problem, joints=tuple(_joint(problem, draw) for _ in range(draw.randint(1, 4))))


def _joint(problem: Problem, draw: random.Random) -> Joint:
    child = random_child(problem, draw)
    names = draw.sample(sorted(child), k=draw.randint(1, min(3, len(child))))
    costs = {"params": float(draw.randint(-40, 40)), "memory": draw.uniform(-5e8, 5e8)}
    return Joint({name: child[name] for name in names}, draw.uniform(-1, 1), costs)


def _with_joins(problem: Problem, draw: random.Random) -> Problem:
    """One layer more, of two variants each, so that runs can be longer than two; some halves cannot be joined."""
    layers = len(problem.choices) // 2
    more = {f"{slot}.{layers}": (_choice(draw, "keep"), _choice(draw, "skip")) for slot in ("attention", "ffn")}
    widths = {f"ffn.{layer}": {"keep": draw.randint(2, 6), "skip": 0} for layer in range(layers + 1)}
    for name in draw.sample(sorted(widths), k=layers):
        widths[name]["half"] = draw.randint(1, 3)
    rule = JoinRule(widths, draw.choice([None, 7, 10]), exclude_last=draw.random() < 0.5)
    joins = tuple(_join(draw, layer) for layer in range(layers))
    return replace(problem, choices={**problem.choices, **more}, joins=joins, join_rule=rule)


def _join(draw: random.Random, layer: int) -> Join:
    """Most lose nothing or save enough, so that the optimum has joins."""
    allowed = {f"attention.{layer + 1}": frozenset(["skip"])}
    costs = {"params": -float(draw.randint(10, 60)), "memory": draw.uniform(-3e8, 1e8)}
    return Join(f"ffn.{layer}", f"ffn.{layer + 1}", allowed, draw.uniform(-0.2, 0.15), costs)


def _with_a_forced_choice(problem: Problem, draw: random.Random) -> Problem:
    name = draw.choice(sorted(problem.choices))
    return replace(problem, forced={name: random_child(problem, draw)[name]})


def _with_a_forbidden_choice(problem: Problem, draw: random.Random) -> Problem:
    name = draw.choice(sorted(problem.choices))
    return replace(problem, forbidden={name: frozenset([random_child(problem, draw)[name], "never offered"])})


def _with_a_ball(problem: Problem, draw: random.Random) -> Problem:
    return replace(problem, ball=Ball(random_child(problem, draw), draw.randint(1, len(problem.choices))))


def _with_a_distance(problem: Problem, draw: random.Random) -> Problem:
    apart = (Apart(random_child(problem, draw), draw.randint(1, 2)) for _ in range(2))
    return replace(problem, apart=tuple(apart))


_ADDED: Mapping[Feature, Callable[[Problem, random.Random], Problem]] = {
    "joins": _with_joins,  # which adds choices
    "groups": _with_a_group,  # which takes some away
    "floors": _with_floors,
    "joints": _with_joints,
    "forced": _with_a_forced_choice,
    "forbidden": _with_a_forbidden_choice,
    "ball": _with_a_ball,
    "apart": _with_a_distance,
}
