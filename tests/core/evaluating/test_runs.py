"""A run whose recipe names tasks, and the command that asks its models more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blockwright.api import Run, run
from blockwright.cli import app
from blockwright.errors import UserError
from blockwright.evaluating.doing import read_text
from blockwright.evaluating.models import EvaluatedModel
from blockwright.evaluating.of_runs import learned_questions
from blockwright.evaluating.requests import evaluate_named
from blockwright.evaluating.tasks import PerplexityTask
from blockwright.models.likelihood import perplexity
from blockwright.report.reading import Record
from blockwright.report.task_tables import task_tables

EVALUATION = """
evaluation:
  tasks: [chain-sum, perplexity]
  modes: [off]
  questions: 3
  answer_tokens: 4
"""


@pytest.fixture
def finished(recipe: Path) -> Run:
    recipe.write_text(recipe.read_text() + EVALUATION)
    return run(recipe)


@pytest.fixture
def invoke() -> CliRunner:
    return CliRunner()


def stored(finished: Run) -> dict[str, int]:
    """When each result was written."""
    folder = finished.directory / "evaluations"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob("*/*.json")}


def test_a_runs_models_stand_side_by_side_in_its_files_and_in_its_report(finished: Run) -> None:
    comparison = finished.comparison
    assert comparison is not None
    assert comparison.models[:2] == ("parent", "05-build")
    assert {(row.task, row.mode) for row in comparison.rows} == {("chain-sum", "off"), ("perplexity", None)}
    page = finished.report().read_text()
    assert "<h2>Evaluation</h2>" in page
    assert "accuracy, thinking off" in page
    for row in comparison.rows:
        if row.measure == "perplexity":
            assert all(f"{value:.4g}" in page for value in row.values.values())


def test_perplexity_is_that_of_the_runs_evaluation_text(finished: Run, text_folder: Path) -> None:
    comparison = finished.comparison
    assert comparison is not None
    (figure,) = [row for row in comparison.rows if row.measure == "perplexity"]
    judged = PerplexityTask(kind="perplexity", name="it", text=(str(text_folder / "judge.txt"),))
    parent = EvaluatedModel("parent", finished.files.parent.directory)
    expected = perplexity(parent.model, read_text(judged, parent.tokenizer))
    assert figure.values["parent"] == pytest.approx(expected, rel=1e-4)


def test_another_task_measures_only_what_is_new(finished: Run) -> None:
    before = stored(finished)
    run(finished.directory / "recipe.yaml", "evaluation.tasks=[chain-sum,gcd,perplexity]")
    after = stored(finished)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1].partition("-off")[0] for name in after.keys() - before.keys()} == {"gcd"}


def test_the_command_asks_all_models_of_a_run_and_prints_json(finished: Run, invoke: CliRunner) -> None:
    arguments = ["evaluate", str(finished.directory), "--tasks", "gcd", "--questions", "2", "--json"]
    result = invoke.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert tuple(data["models"]) == finished.comparison.models  # type: ignore[union-attr]
    assert {row["task"] for row in data["rows"]} == {"gcd"}


def test_the_command_compares_folders_by_names_that_tell_them_apart(
    finished: Run, parent_folder: Path, tmp_path: Path
) -> None:
    names = [str(parent_folder), str(finished.directory / "05-build/child")]
    given: dict[str, object] = {"tasks": ["gcd"], "questions": 2, "answer_tokens": 4, "modes": ["off"]}
    comparison = evaluate_named(names, given, tmp_path / "kept")
    assert comparison.models == (parent_folder.name, "child")
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_what_is_neither_run_nor_folder_and_wrong_tasks_are_told(
    finished: Run, invoke: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke.invoke(app, ["evaluate", "no-such"]).exit_code == 2
    with pytest.raises(UserError, match="tasks: no task is called 'gdc', did you mean 'gcd'"):
        evaluate_named([str(finished.directory)], {"tasks": ["gdc"]}, tmp_path)


def test_a_recipe_without_the_section_has_no_tasks(recipe: Path) -> None:
    finished = run(recipe, "stages=[]", "search.rounds=0")
    assert finished.comparison is None
    assert task_tables(Record(finished.directory).comparison) == ()
    assert "<h2>Evaluation</h2>" not in finished.report().read_text()


def test_learned_questions_are_found_in_whatever_form_stages_keep_them(tmp_path: Path) -> None:
    (tmp_path / "06-reasoning-sft").mkdir()
    (tmp_path / "07-grpo").mkdir()
    conversation = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "1 + 1?"}]}
    prompt = {"question": {"text": "2 + 2?", "answer": "4"}, "mode": "on"}
    (tmp_path / "06-reasoning-sft" / "conversations.jsonl").write_text(json.dumps(conversation) + "\n")
    (tmp_path / "07-grpo" / "prompts.jsonl").write_text(json.dumps(prompt) + "\n")
    assert learned_questions(tmp_path, ["06-reasoning-sft", "07-grpo"]) == {"1 + 1?", "2 + 2?"}
