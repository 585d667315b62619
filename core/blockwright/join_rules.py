"""Which FFNs of a child may be joined into one, and which of its joins add something: the rules of `Problem.joins`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from blockwright.problem import Join, Joined, JoinRule, Problem

Variants = Mapping[str, str]


def open_to(rule: JoinRule, join: Join, max_width: int | None = None) -> dict[str, frozenset[str]]:
    """By sub-block, the variants of children that may make a join, no member wider than `max_width`."""
    ends = {name: _joinable(rule, name, max_width) for name in (join.left, join.right)}
    allowed = {name: labels & ends.get(name, labels) for name, labels in join.allowed.items()}
    return {**ends, **allowed}


def there(rule: JoinRule, name: str) -> frozenset[str]:
    """The variants of an FFN that have channels which a join can take in."""
    return frozenset(label for label, width in rule.widths.get(name, {}).items() if width)


def counted(problem: Problem, variants: Variants, joined: Joined) -> list[Join]:
    """The joins that add their score and their costs: those whose right FFN is there."""
    rule = problem.join_rule
    return [join for join in _made(problem, joined) if variants[join.right] in there(rule, join.right)]


def broken_joins(problem: Problem, variants: Variants, joined: Joined) -> Iterator[str]:
    """What the joins of a child break, a sentence each."""
    made = _made(problem, joined)
    if len(made) != len(joined):
        yield f"{joined}: has joins that are none of the problem's, or one twice"
        return
    for join in made:
        yield from _broken_join(problem, variants, join, joined)
    yield from _broken_widths(problem, variants, made)


def _made(problem: Problem, joined: Joined) -> list[Join]:
    return [join for join in problem.joins if (join.left, join.right) in joined]


def _broken_join(problem: Problem, variants: Variants, join: Join, joined: Joined) -> Iterator[str]:
    rule, title = problem.join_rule, f"{join.left} and {join.right}"
    if not _takes(variants, open_to(rule, join, rule.max_width)):
        yield f"{title}: may not be joined in this child"
    begins = join.left not in {right for _, right in joined}
    if begins and variants[join.left] not in there(rule, join.left):
        yield f"{title}: are joined where nothing is there to begin with"
    if rule.exclude_last and not _goes_on(problem, variants, join, {left for left, _ in joined}):
        yield f"{title}: are joined though the latter is the last of its run"


def _goes_on(problem: Problem, variants: Variants, join: Join, joined_left: Collection[str]) -> bool:
    """Whether an FFN comes after a join that could be joined too, but for its width."""
    rule = problem.join_rule
    following = next((other for other in problem.joins if other.left == join.right), None)
    if following is None or not _takes(variants, open_to(rule, following)):
        return False
    return variants[following.right] in there(rule, following.right) or following.left in joined_left


def _broken_widths(problem: Problem, variants: Variants, made: Collection[Join]) -> Iterator[str]:
    """Of the FFNs that joins in a row make."""
    rule = problem.join_rule
    if rule.max_width is None:
        return
    after, rights = {join.left: join.right for join in made}, {join.right for join in made}
    for first in after.keys() - rights:
        members = [first]
        while members[-1] in after:
            members.append(after[members[-1]])
        width = sum(rule.widths.get(name, {}).get(variants[name], 0) for name in members)
        if width > rule.max_width:
            yield f"{', '.join(members)}: have {width} channels together, more than {rule.max_width}"


def _takes(variants: Variants, offered: Mapping[str, frozenset[str]]) -> bool:
    return all(variants[name] in labels for name, labels in offered.items())


def _joinable(rule: JoinRule, name: str, max_width: int | None) -> frozenset[str]:
    widths = rule.widths.get(name, {})
    return frozenset(label for label, width in widths.items() if max_width is None or width <= max_width)
