from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from blockwright.post_training.job import TrlJob, run_job
from blockwright.post_training.launching import CONFIGURATIONS, with_configurations

MakeJob = Callable[..., TrlJob]
DRIVER = Path(__file__).with_name("fsdp2_on_cpus.py")
LAUNCHER = "accelerate launch --config_file {fsdp2} --num_processes 2 --mixed_precision no"


def test_the_configuration_that_ships_is_named_by_its_name() -> None:
    assert with_configurations("accelerate launch --config_file {fsdp2}").endswith(str(CONFIGURATIONS / "fsdp2.yaml"))
    assert (CONFIGURATIONS / "fsdp2.yaml").is_file()


def test_two_processes_with_fsdp2_learn_what_one_does(make_job: MakeJob) -> None:
    one, two = make_job("one", steps=2), make_job("two", steps=2)
    command = [sys.executable, "-m", "accelerate.commands.launch", *with_configurations(LAUNCHER).split()[2:]]
    told = subprocess.run([*command, str(DRIVER), str(two.write())], capture_output=True, text=True, check=True).stdout
    alone, together = run_job(one), two.outcome()
    assert together is not None
    assert "weights: ['DTensor'] on 2" in told
    assert [loss for _, loss in together.curve("loss")] == pytest.approx([loss for _, loss in alone.curve("loss")])
    expected, found = (load_file(outcome.child / "model.safetensors") for outcome in (alone, together))
    assert expected.keys() == found.keys()
    for name, tensor in found.items():
        assert tensor.sub(expected[name]).abs().max() < 1e-5, name


def test_a_launcher_trains_in_processes_of_its_own(make_job: MakeJob) -> None:
    """On CPUs accelerate takes DDP where the configuration says FSDP2."""
    job = make_job("launched", steps=2)
    outcome = run_job(job, LAUNCHER)
    assert [step for step, _ in outcome.curve("loss")] == [1, 2]
    assert "Traceback" not in (job.directory / "launcher.log").read_text()
