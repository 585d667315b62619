from __future__ import annotations

import pytest
from pydantic import ValidationError

from blockwright.post_training.constraints import (
    RULES,
    Constraint,
    InstructionSource,
    constraints_of,
    draw_instructions,
    share_kept,
)
from blockwright.post_training.questions import Question

KEPT_AND_BROKEN: dict[str, tuple[object, str, str]] = {
    "words-at-most": (3, "one two-fold three", "one two three four"),
    "words-at-least": (3, "one two three", "one, two"),
    "include": ("light", "It is Light.", "A lighthouse."),
    "exclude": ("the", "A house, other than theirs", "On The roof"),
    "lowercase": (None, "all small, 3 times", "Not small"),
    "uppercase": (None, "ALL LARGE, 3 TIMES", "Not large"),
    "no-commas": (None, "a and b", "a, b"),
    "bullets": (2, "- one\n\n- two\n", "Here:\n- one\n- two"),
    "json": (["name", "use"], '{"use": 1, "name": "x"}', '{"name": "x"}'),
    "ends-with": ("that is all", "It is old. That is all.", "That is all there is"),
}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_tells_what_keeps_it_from_what_breaks_it(rule: str) -> None:
    value, kept, broken = KEPT_AND_BROKEN[rule]
    constraint = Constraint.model_validate({"rule": rule, "value": value})
    assert constraint.is_kept_by(kept)
    assert not constraint.is_kept_by(broken)
    assert constraint.text


def test_the_share_of_constraints_kept_is_what_an_answer_is_worth() -> None:
    asked = [{"rule": "lowercase"}, {"rule": "include", "value": "sea"}]
    question = Question(text="", answer="", extra={"constraints": asked})
    assert [share_kept(question, answer) for answer in ("the sea", "The sea", "The", " ")] == [1, 0.5, 0, 0]
    assert share_kept(Question(text="", answer=""), "anything") == 1


def test_instructions_are_different_ones_the_same_every_time_and_held_out_ones_are_others() -> None:
    source = InstructionSource(most=3)
    training = draw_instructions(source, "training", 200)
    heldout = draw_instructions(source, "heldout", 50, {question.text for question in training})
    assert training == draw_instructions(source, "training", 200)
    assert len({question.text for question in (*training, *heldout)}) == 250
    assert {len(constraints_of(question)) for question in training} == {1, 2, 3}
    assert {each.rule for question in training for each in constraints_of(question)} == set(RULES)


def test_no_instruction_asks_for_what_cannot_be_had_together() -> None:
    for question in draw_instructions(InstructionSource(most=3), "training", 300):
        rules = {each.rule for each in constraints_of(question)}
        assert not {"lowercase", "uppercase"} <= rules
        assert not {"json", "bullets"} <= rules


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ({"rule": "lower-case"}, "no constraint is called 'lower-case', did you mean 'lowercase'?"),
        ({"rule": "words-at-most"}, "words-at-most: None is nothing that it can ask for"),
        ({"rule": "include"}, "include: None is nothing that it can ask for"),
    ],
)
def test_a_constraint_that_cannot_be_checked_is_a_mistake(constraint: object, expected: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as caught:
        Constraint.model_validate(constraint)
    assert expected in str(caught.value)
