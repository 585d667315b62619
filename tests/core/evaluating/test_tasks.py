"""Tasks are data: those that ship can be made, and a wrong file is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.evaluating.doing import questions_of
from blockwright.evaluating.settings import EvaluationSettings
from blockwright.evaluating.tasks import ChoiceTask, GenerateTask, PerplexityTask, shipped_tasks, tasks_named
from blockwright.post_training.questions import draw


def test_the_offline_suite_holds_every_task_that_ships() -> None:
    every = {task.name for task in tasks_named(shipped_tasks())}
    offline = tasks_named(["offline"])
    assert {task.name for task in offline} == every
    assert {type(task) for task in offline} == {GenerateTask, ChoiceTask, PerplexityTask}


def test_a_tasks_questions_are_always_the_same_and_none_that_training_draws() -> None:
    for task in tasks_named(["chain-sum", "leg-counting-choice", "calendar-choice"]):
        assert isinstance(task, GenerateTask | ChoiceTask)
        few = task.model_copy(update={"count": 20})
        asked = questions_of(few)
        assert asked == questions_of(few)
        assert len({question.text for question in asked}) == 20
        assert all(question.is_answered_by(question.answer) for question in asked)
        assert {one.seed for one in asked}.isdisjoint({one.seed for one in draw(few, "training", 5)})


def test_a_task_is_taken_once_however_often_it_is_named() -> None:
    assert [task.name for task in tasks_named(["gcd", "generate", "gcd"])].count("gcd") == 1


def test_a_file_of_ones_own_is_a_task(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kind: generate\ngenerator: count_primes\nquestions: 7\nseed: 3\n")
    (task,) = tasks_named([str(file)])
    assert isinstance(task, GenerateTask)
    assert (task.name, task.count, task.seed) == ("mine", 7, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: generat\n", r"mine\.yaml:1: a task has a `kind`"),
        ("kind: generate\nname: x\ngenerator: chain_sums\n", "no generator 'chain_sums', did you mean 'chain_sum'"),
        ("kind: choice\ngenerator: gcd\nchoices: 1\n", r"mine\.yaml:3: choices: must be at least 2"),
        ("kind: perplexity\ntext: [a.txt]\ntoken: 3\n", r"mine\.yaml:3: token: no such key, did you mean 'tokens'"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=told):
        tasks_named([str(tmp_path / "mine.yaml")])


def test_unknown_tasks_are_mistakes_of_the_recipe() -> None:
    with pytest.raises(ValidationError, match="no task is called 'chainsum', did you mean 'chain-sum'"):
        EvaluationSettings(tasks=("chainsum",))
