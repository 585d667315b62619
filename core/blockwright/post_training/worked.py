"""Worked steps, from question to answer, for generators whose answers can be worked out one line at a time."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from blockwright.post_training.questions import Question

Steps = tuple[list[str], int]  # the lines, and what the last one comes to
_SIGNS: Mapping[type, tuple[str, Callable[[int, int], int]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.FloorDiv: ("/", operator.floordiv),
}


def worked_steps(question: Question) -> str | None:
    """The steps, one a line; None where the generator's own answer is not what they come to.

    reasoning-gym's `basic_arithmetic` without parentheses, for one, works from left to right and divides by zero.
    """
    try:
        lines, result = WORKED[question.generator or ""](question.entry()["metadata"])
    except ZeroDivisionError:
        return None
    return "\n".join(lines) if str(result) == question.answer else None


def is_worked(question: Question) -> bool:
    """Whether its steps come to its answer; where nothing here works such questions out, the generator is trusted."""
    return question.generator not in WORKED or worked_steps(question) is not None


def _of_expression(metadata: Mapping[str, Any]) -> Steps:
    """`(2 + 3) * 4`: innermost first, from left to right; division rounds down, as the generators' does."""
    expression = str(metadata["expression"])
    lines: list[str] = []
    result = _reduced(ast.parse(expression.replace("/", "//"), mode="eval").body, lines)
    return lines or [f"{expression} = {result}"], result


def _reduced(node: ast.expr, lines: list[str]) -> int:
    if isinstance(node, ast.BinOp):
        sign, compute = _SIGNS[type(node.op)]
        left, right = _reduced(node.left, lines), _reduced(node.right, lines)
        lines.append(f"{left} {sign} {right} = {compute(left, right)}")
        return compute(left, right)
    if isinstance(node, ast.UnaryOp):
        value = _reduced(node.operand, lines)
        if not isinstance(node.operand, ast.Constant):
            lines.append(f"-({value}) = {-value}")
        return -value
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    return node.value


def _of_divisor(metadata: Mapping[str, Any]) -> Steps:
    """Euclid's algorithm on the first two numbers, then on what they have in common and the next."""
    first, *others = metadata["numbers"]
    lines: list[str] = []
    for other in others:
        lines.append(f"gcd({first}, {other}):")
        while other:
            lines.append(f"{first} mod {other} = {first % other}")
            first, other = other, first % other
        lines.append(f"gcd = {first}")
    return lines, first


WORKED: Mapping[str, Callable[[Mapping[str, Any]], Steps]] = {
    "basic_arithmetic": _of_expression,
    "chain_sum": _of_expression,
    "gcd": _of_divisor,
    "products": _of_expression,
}
