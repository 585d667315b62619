from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from transformers import AutoTokenizer

from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.models.generation import Decoding
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.post_training.prompts import Prompt, PromptSources, read_questions
from blockwright.post_training.questions import Question
from blockwright.post_training.rewards import RewardChoice, Rewards
from blockwright.post_training.rollouts import judged_replies, means
from blockwright.post_training.trl_runs import read_lines
from blockwright.stages import StageContext, StageResult

RunStage = Callable[..., StageResult]
GCD = {"generator": "gcd", "config": {"max_value": 9}, "count": 6}
SHORT = {
    "heldout": 3,
    "reply_tokens": 6,
    "steps": 2,
    "batch_size": 8,
    "samples": 4,
    "learning_rate": 1e-3,
    "pass_rate_samples": 2,
}
EVENNESS = "letters_for_tests:evenness"


@pytest.fixture
def run_stage(parent: Parent, child: Path, plugins: Plugins, tmp_path: Path) -> RunStage:
    def run(name: str, **options: object) -> StageResult:
        stage = plugins.stage(name)
        folder = tmp_path / "stage"
        folder.mkdir(exist_ok=True)
        return stage(stage.Options.model_validate({**SHORT, **options})).run(StageContext(parent, child, {}, folder, 0))

    return run


def prompts(count: int) -> list[Prompt]:
    return [Prompt(question=Question(text=f"{number}?", answer=str(number)), mode="off") for number in range(count)]


def rewards(*names: str) -> Rewards:
    return Rewards.of([RewardChoice(name=name) for name in names])


def test_grpo_measures_trains_and_measures_again_in_both_modes(run_stage: RunStage, tmp_path: Path) -> None:
    result = run_stage("grpo", questions=[GCD], rewards=["reasoning-gym", EVENNESS])
    for mode in ("on", "off"):
        for moment in ("before", "after"):
            assert 0 <= result.figures[f"{EVENNESS} with {mode}, {moment}"] <= 1
    assert result.figures["steps"] == 2
    assert result.figures["tokens written"] == sum(
        row["tokens"] for row in read_lines(tmp_path / "stage/samples.jsonl")
    )
    assert {"reward (points)", "groups without variance (share)", f"{EVENNESS} (points)"} <= set(result.curves)
    assert any("of the 12 others" in note for note in result.notes)
    moments = {shown.moment for shown in result.replies}
    assert moments <= {f"step {step}, thinking {mode}" for step in (1, 2) for mode in ("on", "off")}
    assert all(shown.rewards.keys() == {"reasoning-gym", EVENNESS} for shown in result.replies)
    heldout = {row["prompt"]["question"]["text"] for row in read_lines(tmp_path / "stage/heldout-after.jsonl")}
    asked = {row["question"]["text"] for row in read_lines(tmp_path / "stage/prompts.jsonl")}
    assert len(heldout) == 3
    assert not heldout & asked


def test_a_finished_stage_is_read_back(run_stage: RunStage) -> None:
    first = run_stage("grpo", questions=[GCD], rewards=[EVENNESS])
    told: list[Event] = []
    with listening(told.append):
        assert run_stage("grpo", questions=[GCD], rewards=[EVENNESS]) == first
    assert told == []


def test_prompts_that_pass_too_often_are_dropped(run_stage: RunStage) -> None:
    """`format` with thinking off asks for no think block, which this child never writes."""
    result = run_stage("grpo", questions=[GCD], rewards=["format"], drop_above=0.75)
    assert "6 prompts that pass at more than 0.75 of 2 tries were dropped; of the 6 others 6 never pass" in str(
        result.notes
    )
    with pytest.raises(UserError, match=r"passes all 6 prompts at more than drop_above \(0.75\); ask harder questions"):
        run_stage("grpo", questions=[GCD], rewards=["format"], modes=[False])


def test_groups_without_variance_are_counted_and_a_note_says_where_most_teach_nothing(run_stage: RunStage) -> None:
    result = run_stage("grpo", questions=[GCD], rewards=["exact"])
    assert result.figures["groups without variance (share)"] == 1
    assert any("more than half of the groups had no variance" in note for note in result.notes)


def test_rloo_follows_instructions_of_its_own(run_stage: RunStage, tmp_path: Path) -> None:
    result = run_stage("rloo", pass_rate_samples=0, beta=0.1)
    assert "constraints with off, after" in result.figures
    assert "KL to the reference (nats per token)" in result.curves
    assert {row["mode"] for row in read_lines(tmp_path / "stage/samples.jsonl")} == {"off"}


def test_a_child_without_a_chat_template_is_refused(run_stage: RunStage, child: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(child)
    (child / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(child)
    with pytest.raises(UserError, match="no chat template; put reasoning-sft before this stage"):
        run_stage("grpo", questions=[GCD], rewards=[EVENNESS])


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("grpo", {"rewards": ["exact"]}, "nothing is asked; give questions"),
        ("grpo", {"rewards": ["exact"], "files": ["x"], "pass_rate_samples": 0}, "a curriculum needs pass rates"),
        ("grpo", {"rewards": ["exakt"], "files": ["x"]}, "did you mean 'exact'?"),
        ("rloo", {"vllm": True}, "vllm is not installed"),
    ],
)
def test_mistakes_in_a_recipe_are_told(plugins: Plugins, name: str, options: object, expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        plugins.stage(name).Options.model_validate(options)
    assert expected in str(caught.value)


def test_replies_that_a_kill_has_cut_are_gone_on_from_with_the_same_draws(child: Path, tmp_path: Path) -> None:
    decoding = Decoding(max_tokens=5, temperature=1.0, batch_size=8)
    whole = judged_replies(child, prompts(7), rewards(EVENNESS), decoding, tmp_path / "whole", samples=4)
    lines = (tmp_path / "whole").read_text().splitlines()
    (tmp_path / "cut").write_text("\n".join([*lines[:3], lines[3][:20]]))
    assert judged_replies(child, prompts(7), rewards(EVENNESS), decoding, tmp_path / "cut", samples=4) == whole
    assert (tmp_path / "cut").read_text() == (tmp_path / "whole").read_text()
    assert all(len({reply.reply for reply in each.replies}) > 1 for each in whole)


def test_means_are_over_the_prompts_of_a_mode(child: Path, tmp_path: Path) -> None:
    judged = judged_replies(child, prompts(3), rewards("length"), Decoding(max_tokens=5), tmp_path / "kept")
    assert means(judged, rewards("length"), "on") == {}
    found = means(judged, rewards("length"), "off")
    assert found["tokens a reply"] == 5
    assert found["length"] == pytest.approx(1 - 5 / 512)


def test_questions_of_a_file_may_say_more_and_none_is_held_out(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    asked = {"rule": "lowercase"}
    file.write_text(
        json.dumps({"question": "Why?", "constraints": [asked]}) + '\n{"question": "2 + 2?", "answer": 4}\n'
    )
    why, sum_ = read_questions(file)
    assert why.extra == {"constraints": [asked]}
    assert sum_.answer == "4"
    sources = PromptSources(files=(file,), modes=(True, "off"))  # type: ignore[arg-type]
    assert [prompt.mode for prompt in sources.training([])] == ["on", "off"] * 2
    with pytest.raises(UserError, match=r"asks a held-out question: 'Why\?'; take it out"):
        sources.training([Prompt(question=why, mode="on")])


@pytest.mark.parametrize(("line", "expected"), [("{", "no JSON"), ('{"prompt": "x"}', 'expected {"question": "…"')])
def test_a_line_that_is_no_question_is_named(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "questions.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(UserError, match=f"questions.jsonl:2: {expected}"):
        list(read_questions(tmp_path / "questions.jsonl"))
