from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from blockwright.child.checkpoint import open_child
from blockwright.files import sha256_of
from blockwright.post_training.grpo import GrpoSettings
from blockwright.post_training.job import TrlJob, run_job
from blockwright.post_training.reinforcing import arguments
from blockwright.post_training.reinforcing_settings import COLUMNS, PROMPTS, SAMPLES
from blockwright.post_training.trl_runs import read_lines

MakeJob = Callable[..., TrlJob]
DRIVER = Path(__file__).with_name("killed_trl_job.py")
LAUNCHER = "accelerate launch --config_file {fsdp2} --num_processes 2 --mixed_precision no"
TRAINERS = ("blockwright.post_training.grpo:train", "blockwright.post_training.rloo:train")


def settings(**changed: object) -> GrpoSettings:
    return GrpoSettings.model_validate({"rewards": ["exact"], **changed})


def results(job: TrlJob) -> tuple[object, ...]:
    outcome = run_job(job)
    curves = {name: outcome.curve(name) for name in ("loss", "reward", "kl", "completions/mean_length")}
    return curves, sha256_of(outcome.child / "model.safetensors"), (job.directory / SAMPLES).read_text()


@pytest.mark.parametrize("trains", TRAINERS)
def test_a_killed_training_goes_on_to_the_same_losses_samples_and_bytes(make_rl_job: MakeJob, trains: str) -> None:
    job, uninterrupted = (make_rl_job(name, trains, beta=0.1) for name in ("killed", "uninterrupted"))
    killed = subprocess.run([sys.executable, str(DRIVER), str(job.write()), "3"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert json.loads((job.directory / SAMPLES).read_text().splitlines()[-1])["step"] == 3
    assert results(job) == results(uninterrupted)


def test_a_child_with_skipped_and_fused_parts_learns_and_stays_such_a_child(make_rl_job: MakeJob, child: Path) -> None:
    outcome = run_job(make_rl_job(steps=2, gradient_checkpointing=True))
    made = open_child(outcome.child).config
    assert made.layer(1).intermediate_size == 96
    assert "attention" in made.layer(2).skip
    assert sha256_of(outcome.child / "model.safetensors") != sha256_of(child / "model.safetensors")


def test_rewards_variance_and_lengths_are_logged_at_each_step_and_kl_with_a_reference(make_rl_job: MakeJob) -> None:
    outcome = run_job(make_rl_job(beta=0.1))
    curves = outcome.curves(COLUMNS)
    assert set(curves) == set(COLUMNS.values())
    assert all([step for step, _ in curve] == [1, 2, 3, 4] for curve in curves.values())
    assert curves["KL to the reference (nats per token)"][0][1] == pytest.approx(0, abs=1e-6)
    assert curves["KL to the reference (nats per token)"][-1][1] > 0
    assert outcome.curve("rewards/letters_for_tests:evenness/mean")


def test_each_reply_is_kept_with_its_rewards_and_the_prompts_come_in_their_order(make_rl_job: MakeJob) -> None:
    job = make_rl_job()
    outcome = run_job(job)
    samples, asked = read_lines(job.directory / SAMPLES), read_lines(job.directory / PROMPTS)
    assert [sample["step"] for sample in samples] == [step for step in (1, 2, 3, 4) for _ in range(8)]
    assert [sample["question"] for sample in samples[::4]] == [row["question"]["text"] for row in asked]
    assert [sample["mode"] for sample in samples[::4]] == ["on", "off"] * 4
    for step, reward in outcome.curve("reward"):
        of_step = [sample for sample in samples if sample["step"] == step]
        assert sum(sample["total"] for sample in of_step) / 8 == pytest.approx(reward, abs=1e-6)
        assert all(
            sample["total"]
            == pytest.approx(2 * sample["rewards"]["letters_for_tests:evenness"] + sample["rewards"]["format"])
            for sample in of_step
        )


def test_the_reward_rises(make_rl_job: MakeJob) -> None:
    job = make_rl_job(steps=24, batch_size=32, samples=8, learning_rate=1e-2, rewards=["letters_for_tests:evenness"])
    prompts = (job.directory / PROMPTS).read_text()
    (job.directory / PROMPTS).write_text(prompts * 12)
    rewards = [value for _, value in run_job(job).curve("reward")]
    assert sum(rewards[-4:]) > sum(rewards[:4]) + 0.4


def test_more_updates_are_made_of_the_same_replies(make_rl_job: MakeJob) -> None:
    job = make_rl_job(updates=2, steps=4)
    run_job(job)
    assert sorted({sample["step"] for sample in read_lines(job.directory / SAMPLES)}) == [1, 3]


def test_a_launcher_learns_in_two_processes(make_rl_job: MakeJob) -> None:
    job = make_rl_job(steps=2)
    outcome = run_job(job, LAUNCHER)
    assert [step for step, _ in outcome.curve("loss")] == [1, 2]
    samples = read_lines(job.directory / SAMPLES)
    assert len(samples) == 8  # what the first process judged
    assert "Traceback" not in (job.directory / "launcher.log").read_text()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"batch_size": 12, "samples": 8}, "batch_size times updates (12) must be a multiple of samples (8)"),
        ({"updates": 3}, "checkpoint_every (50) must be a multiple of updates (3)"),
        ({"rewards": ["exact", "exact"]}, "rewards: one is named twice"),
        ({"vllm": True}, "vllm is not installed; type `pip install vllm`"),
        ({"rewards": []}, "at least 1 item"),
    ],
)
def test_settings_that_cannot_be_are_mistakes(changed: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**changed)
    assert expected in str(caught.value)


def test_trl_is_told_what_the_recipe_says(make_rl_job: MakeJob) -> None:
    told = arguments(make_rl_job(), settings(batch_size=16, samples=4, accumulate=2, updates=2, beta=0.1))
    assert told["steps_per_generation"] == 4
    assert told["per_device_train_batch_size"] == 8
    assert told["reward_weights"] == [1.0]
    assert not told["use_vllm"]
