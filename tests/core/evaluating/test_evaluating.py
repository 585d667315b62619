"""Models side by side, on a few questions: what is counted, what is done again, and what is left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blockwright.evaluating.choices import closed_thought, options_of, prompts_of, scores_of
from blockwright.evaluating.comparison import Comparison, Row
from blockwright.evaluating.doing import answers_of, questions_of
from blockwright.evaluating.evaluating import evaluate_models
from blockwright.evaluating.models import EvaluatedModel
from blockwright.evaluating.results import Answered, TaskResult
from blockwright.evaluating.settings import EvaluationSettings
from blockwright.evaluating.store import ResultStore
from blockwright.evaluating.tasks import ChoiceTask, tasks_named
from blockwright.events import Event, listening
from blockwright.models.generation import Decoding

FEW = {"tasks": ("chain-sum", "chain-sum-choice", "perplexity"), "questions": 6, "answer_tokens": 8}


@pytest.fixture
def settings(tmp_path: Path) -> EvaluationSettings:
    (tmp_path / "judge.txt").write_text("\n\n".join(f"The {number}th sentence of this text." for number in range(900)))
    return EvaluationSettings.model_validate({**FEW, "text": [str(tmp_path / "judge.txt")]})


def row(comparison: Comparison, task: str, mode: str | None, measure: str) -> Row:
    (found,) = [r for r in comparison.rows if (r.task, r.mode, r.measure) == (task, mode, measure)]
    return found


def test_parent_and_child_stand_side_by_side_in_every_task_and_mode(
    parent_and_child: list[Path], settings: EvaluationSettings, tmp_path: Path
) -> None:
    folders = dict(zip(("parent", "child"), parent_and_child, strict=True))
    comparison = evaluate_models(folders, settings, ResultStore(tmp_path / "store"))
    assert comparison.models == ("parent", "child")
    assert {(one.task, one.mode) for one in comparison.rows} == {
        ("chain-sum", "on"), ("chain-sum", "off"), ("chain-sum-choice", "on"), ("chain-sum-choice", "off"),
        ("perplexity", None),
    }  # fmt: skip
    assert all(set(one.values) == {"parent", "child"} for one in comparison.rows)
    assert row(comparison, "chain-sum", "on", "accuracy").questions == 6
    perplexities = row(comparison, "perplexity", None, "perplexity").values
    assert perplexities["parent"] != perplexities["child"] and min(perplexities.values()) > 1
    assert {sample.model for sample in comparison.samples} == {"child"}


def test_what_was_measured_is_not_measured_again_even_of_a_copy(
    parent_and_child: list[Path], settings: EvaluationSettings, tmp_path: Path
) -> None:
    store, child = ResultStore(tmp_path / "store"), parent_and_child[1]
    first = evaluate_models({"child": child}, settings, store)
    shutil.copytree(child, tmp_path / "copy")
    events: list[Event] = []
    with listening(events.append):
        again = evaluate_models({"child": tmp_path / "copy"}, settings, store)
    assert again == first
    assert {event.name for event in events} == {"task_done", "model_evaluated"}


def test_an_interrupted_evaluation_goes_on_with_the_task_that_was_not_done(
    parent_and_child: list[Path], settings: EvaluationSettings, tmp_path: Path
) -> None:
    store, folders = ResultStore(tmp_path / "store"), {"child": parent_and_child[1]}
    asked: list[object] = []

    def interrupt(event: Event) -> None:
        asked.append(event.fields.get("thinking")) if event.name == "questions_answered" else None
        if event.name == "task_done" and event.fields["thinking"] == "on":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        evaluate_models(folders, settings, store)
    assert set(asked) == {"on"}
    asked.clear()
    with listening(lambda event: asked.append(event.fields.get("thinking"))):
        evaluate_models(folders, settings.model_copy(update={"tasks": ("chain-sum",)}), store)
    assert asked.count("on") == 1, "only told that it is done"
    assert asked.count("off") > 1


def test_other_numbers_and_other_weights_are_measured_anew(
    parent_and_child: list[Path], settings: EvaluationSettings, tmp_path: Path
) -> None:
    store = ResultStore(tmp_path / "store")
    for changed in ({}, {"questions": 5}, {"answer_tokens": 4}):
        evaluate_models({"it": parent_and_child[1]}, settings.model_copy(update=changed), store)
    assert len(list((tmp_path / "store").glob("*/chain-sum-off-*.json"))) == 3
    evaluate_models({"it": parent_and_child[0]}, settings, store)
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_learned_questions_are_left_out_of_all_figures(
    parent_and_child: list[Path], settings: EvaluationSettings, tmp_path: Path
) -> None:
    (task,) = tasks_named(["chain-sum"])
    learned = {question.text for question in questions_of(task.model_copy(update={"count": 6}))[:2]}  # type: ignore[arg-type]
    comparison = evaluate_models({"it": parent_and_child[1]}, settings, ResultStore(tmp_path / "store"), learned)
    assert row(comparison, "chain-sum", "off", "accuracy").questions == 4


def test_figures_of_answers_are_their_shares() -> None:
    def answered(reply: str, right: bool) -> Answered:
        return Answered(question=reply, answer="5", reply=reply, right=right, tokens=10)

    thought = answered("<think>\n2 + 3 = 5\n</think>\n\n5", True)
    result = TaskResult(
        task="t", kind="generate", mode="on", answered=(thought, answered("5", True), answered("4", False))
    )
    assert result.measures["accuracy"] == pytest.approx(2 / 3)
    assert result.measures["well-formed"] == result.measures["follows the toggle"] == pytest.approx(1 / 3)
    assert result.model_copy(update={"mode": "off"}).measures["follows the toggle"] == pytest.approx(2 / 3)
    assert result.error == pytest.approx((2 / 9 / 3) ** 0.5)


def test_the_right_answer_is_among_the_options_once_and_no_other_is_right() -> None:
    (task,) = tasks_named(["gcd-choice"])
    assert isinstance(task, ChoiceTask)
    questions = questions_of(task.model_copy(update={"count": 30}))
    options = options_of(questions, 4, answers_of(task))
    assert options == options_of(questions, 4, answers_of(task))
    assert options[:5] == options_of(questions[:5], 4, answers_of(task))
    for question, offered in zip(questions, options, strict=True):
        assert len(set(offered)) == len(offered) == 4
        assert [option for option in offered if question.is_answered_by(option)] == [question.answer]
    places = {offered.index(question.answer) for question, offered in zip(questions, options, strict=True)}
    assert places == {0, 1, 2, 3}, "the right answer stands anywhere"


def test_a_choice_is_weighed_after_the_thought(evaluated: EvaluatedModel) -> None:
    (task,) = tasks_named(["chain-sum-choice"])
    assert isinstance(task, ChoiceTask)
    questions = questions_of(task.model_copy(update={"count": 3}))
    prompts = [tokens for tokens, _ in prompts_of(evaluated, task, "off", questions, Decoding(max_tokens=4))]
    options = options_of(questions, 4, answers_of(task))
    plain = scores_of(evaluated, prompts, options, batch_size=5)
    thought = evaluated.tokenizer("<think>\n1\n</think>\n\n", add_special_tokens=False)["input_ids"]
    after = scores_of(evaluated, [[*prompt, *thought] for prompt in prompts], options, batch_size=5)
    assert [len(scores) for scores in plain] == [4, 4, 4]
    assert plain != after


def test_a_thought_that_goes_on_too_long_is_closed_and_a_reply_without_one_is_none() -> None:
    assert closed_thought("<think>\n2 + 3 = 5\n</think>\n\n5") == "<think>\n2 + 3 = 5\n</think>\n\n"
    assert closed_thought("<think>\n2 + 3 =") == "<think>\n2 + 3 =\n</think>\n\n"
    assert closed_thought("5") == ""


def test_a_model_without_a_chat_template_is_asked_plainly(parent_and_child: list[Path], tmp_path: Path) -> None:
    shutil.copytree(parent_and_child[1], tmp_path / "plain")
    (tmp_path / "plain" / "chat_template.jinja").unlink()
    tokenizer = EvaluatedModel("plain", tmp_path / "plain").tokenizer
    said = tokenizer.apply_chat_template(
        [{"role": "user", "content": "1 + 1?"}], tokenize=False, add_generation_prompt=True
    )
    assert said == "1 + 1?\n\nAnswer: "
