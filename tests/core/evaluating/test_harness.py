"""Tasks of lm-eval, where it is installed: asked with our batches, under both toggles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.evaluating.doing import do_task
from blockwright.evaluating.harness import _cut, _split
from blockwright.evaluating.models import EvaluatedModel
from blockwright.evaluating.tasks import tasks_named

CHOICE = """
task: two-words
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["red", "blue"]
doc_to_target: "{{{{answer}}}}"
metric_list: [{{metric: acc}}]
"""
WRITTEN = """
task: in-words
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["."], max_gen_toks: 6}}
metric_list: [{{metric: exact_match}}]
"""


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("lm_eval")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"question": f"Which of {number}?", "answer": number % 2} for number in range(4)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name, text in (("two-words.yaml", CHOICE), ("in-words.yaml", WRITTEN)):
        (tmp_path / name).write_text(text.format(data=tmp_path / "data.jsonl"))
    return tmp_path


@pytest.mark.parametrize(("file", "metric"), [("two-words.yaml", "acc"), ("in-words.yaml", "exact_match")])
def test_a_task_of_the_harness_is_measured_in_both_modes(
    harness: Path, evaluated: EvaluatedModel, file: str, metric: str
) -> None:
    (task,) = tasks_named([f"lm-eval:{harness / file}"])
    for mode in ("on", "off"):
        result = do_task(task, mode, evaluated, batch_size=2)
        assert (result.kind, result.mode) == ("lm-eval", mode)
        assert 0 <= result.measures[metric] <= 1


def test_an_unknown_task_is_told_with_the_nearest_one() -> None:
    pytest.importorskip("lm_eval")
    with pytest.raises(UserError, match="no task 'arc_eazy', did you mean 'arc_easy'"):
        tasks_named(["lm-eval:arc_eazy"])


def test_without_the_harness_its_tasks_are_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'blockwright\[eval\]'"):
        tasks_named(["lm-eval:arc_easy"])


def test_spaces_between_context_and_continuation_belong_to_the_continuation(evaluated: EvaluatedModel) -> None:
    before, after = _split(evaluated, "two and ", "three")
    assert evaluated.tokenizer.decode(before) == "two and"
    assert evaluated.tokenizer.decode(after) == " three"


def test_a_reply_ends_where_the_task_says() -> None:
    assert _cut("one. two\n\nthree", [".", "\n\n"]) == "one"
    assert _cut("one", []) == "one"
