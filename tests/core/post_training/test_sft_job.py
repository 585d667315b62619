from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from blockwright.child.checkpoint import open_child
from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.files import sha256_of
from blockwright.post_training.job import TrlJob, run_job
from blockwright.post_training.pairs import pair
from blockwright.post_training.sft import write_conversations
from blockwright.post_training.templates import learned_tokens, thinking_template
from blockwright.post_training.trl_runs import newest_checkpoint

MakeJob = Callable[..., TrlJob]
DRIVER = Path(__file__).with_name("killed_trl_job.py")


def results(job: TrlJob) -> tuple[list[tuple[int, float]], str]:
    """Losses and the child's bytes."""
    outcome = run_job(job)
    return outcome.curve("loss"), sha256_of(outcome.child / "model.safetensors")


def test_a_trained_child_is_a_child_and_loads_with_its_own_code(make_job: MakeJob, child: Path) -> None:
    outcome = run_job(make_job())
    alone = AutoModelForCausalLM.from_pretrained(outcome.child, trust_remote_code=True)
    assert open_child(outcome.child).config.layer(1).intermediate_size == 96
    assert alone.config.use_cache
    assert alone.generation_config.eos_token_id in (2, [2])
    assert sha256_of(outcome.child / "model.safetensors") != sha256_of(child / "model.safetensors")
    assert (outcome.child / "tokenizer.json").read_bytes() == (child / "tokenizer.json").read_bytes()


def test_the_tokenizer_of_a_trained_child_has_the_template_that_it_was_trained_with(
    make_job: MakeJob, tokenizer: PreTrainedTokenizerFast
) -> None:
    saved = AutoTokenizer.from_pretrained(run_job(make_job()).child)
    assert saved.chat_template == thinking_template(tokenizer).text


def test_a_killed_training_goes_on_to_the_same_losses_and_bytes(make_job: MakeJob) -> None:
    job, uninterrupted = make_job("killed"), make_job("uninterrupted")
    killed = subprocess.run([sys.executable, str(DRIVER), str(job.write()), "3"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    started: list[Event] = []
    with listening(started.append):
        assert results(job) == results(uninterrupted)
    assert [event.fields["from_step"] for event in started if event.name == "training_started"] == [2, 0]


def test_a_training_that_ended_before_its_child_was_written_takes_no_step_more(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an epoch of more steps than were asked for."""
    from transformers import Trainer

    train = Trainer.train

    def interrupted(trainer: Trainer, **arguments: object) -> None:
        train(trainer, **arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    job, uninterrupted = make_job("interrupted", steps=3), make_job("uninterrupted", steps=3)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "train", interrupted)
        run_job(job)
    assert results(job) == results(uninterrupted)
    assert run_job(job).steps == 3


def test_a_checkpoint_that_a_kill_has_cut_is_not_gone_on_from(tmp_path: Path) -> None:
    for name, whole in (("checkpoint-8", True), ("checkpoint-12", True), ("checkpoint-100", False)):
        (tmp_path / name).mkdir()
        if whole:
            (tmp_path / name / "whole").touch()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-12"
    assert newest_checkpoint(tmp_path / "nowhere") is None


def test_steps_are_told_and_a_finished_training_is_not_run_again(
    make_job: MakeJob, capfd: pytest.CaptureFixture[str]
) -> None:
    job, told = make_job(), list[Event]()
    with listening(told.append):
        first = run_job(job)
        steps = [(event.done, event.total) for event in told if event.name == "step_trained"]
        told.clear()
        assert run_job(job) == first
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert told == []
    assert not job.checkpoints.exists()
    assert "loss" not in capfd.readouterr().out


def test_packed_conversations_do_not_see_each_other_and_are_learned_alike(make_job: MakeJob) -> None:
    """One update on all the data: the mean over the same tokens, however they are laid out."""
    options = {"steps": 1, "warmup": 0, "learning_rate": 1e-9}
    apart = run_job(make_job("apart", packing=False, batch_size=16, **options)).curve("loss")
    packed = run_job(make_job("packed", packing=True, batch_size=16, **options)).curve("loss")
    assert packed[0][1] == pytest.approx(apart[0][1], rel=1e-3)


def test_what_the_user_says_is_not_learned(tokenizer: PreTrainedTokenizerFast) -> None:
    on, off = pair("2 + 2", "two and two", "4")
    template = thinking_template(tokenizer).text
    for conversation in (on, off):
        _, learned = learned_tokens(tokenizer, template, conversation)
        assert tokenizer.decode(learned) == conversation[-1]["content"] + "<|im_end|>"


def test_conversations_that_are_too_long_are_left_out(
    tokenizer: PreTrainedTokenizerFast, child: Path, tmp_path: Path
) -> None:
    learned = [*pair("short", "x", "y"), *pair("long", "x" * 500, "y")]
    assert write_conversations(tmp_path, learned, child, thinking_template(tokenizer), 192) == 1
    with pytest.raises(UserError, match="all 4 conversations are longer than 10 tokens"):
        write_conversations(tmp_path, learned, child, thinking_template(tokenizer), 10)


def test_a_batch_that_cannot_be_shared_out_is_a_mistake_in_one_line(make_job: MakeJob) -> None:
    with pytest.raises(UserError, match=r"batch_size 2 cannot be shared out over 1 process.* accumulate 3"):
        run_job(make_job(accumulate=3))


def test_training_leaves_the_random_numbers_of_the_run_alone(make_job: MakeJob) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run_job(make_job(steps=1))
    assert torch.equal(torch.rand(1), expected)


def test_gradient_checkpointing_changes_memory_and_not_losses(make_job: MakeJob) -> None:
    plain, again = make_job("plain", steps=2), make_job("again", steps=2, gradient_checkpointing=True)
    assert [loss for _, loss in run_job(again).curve("loss")] == pytest.approx(
        [loss for _, loss in run_job(plain).curve("loss")], rel=1e-4
    )
