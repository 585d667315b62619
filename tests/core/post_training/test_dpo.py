from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from blockwright.child.checkpoint import open_child
from blockwright.errors import UserError
from blockwright.files import sha256_of
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.post_training.dpo import TRAINS, DpoSettings, read_preferences, write_preferences
from blockwright.post_training.job import TrlJob, run_job
from blockwright.stages import StageContext

DRIVER = Path(__file__).with_name("killed_trl_job.py")
ROWS = [{"prompt": f"{n} + 1?", "chosen": f"{n + 1}", "rejected": f"It may be {n}."} for n in range(8)]
SHORT = {"batch_size": 4, "learning_rate": 1e-3, "checkpoint_every": 2, "steps": 4, "longest": 192}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "preferences.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def make_job(child: Path, folder: Path, file: Path, **changed: object) -> TrlJob:
    folder.mkdir()
    write_preferences(folder, list(read_preferences(file)), child, 192)
    return TrlJob(trains=TRAINS, child=child, directory=folder, seed=0, options={**SHORT, **changed})


def settings(**changed: object) -> DpoSettings:
    return DpoSettings.model_validate(changed)


def results(job: TrlJob) -> tuple[list[tuple[int, float]], str]:
    outcome = run_job(job)
    return outcome.curve("loss"), sha256_of(outcome.child / "model.safetensors")


def test_a_killed_training_goes_on_to_the_same_losses_and_bytes(child: Path, file: Path, tmp_path: Path) -> None:
    job, uninterrupted = (make_job(child, tmp_path / name, file, rpo_alpha=0.5) for name in ("killed", "whole"))
    killed = subprocess.run([sys.executable, str(DRIVER), str(job.write()), "3"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert results(job) == results(uninterrupted)


def test_the_stage_comes_to_prefer_what_was_chosen(
    child: Path, file: Path, parent: Parent, plugins: Plugins, tmp_path: Path
) -> None:
    stage = plugins.stage("dpo")
    options = stage.Options.model_validate({**SHORT, "steps": 12, "learning_rate": 1e-2, "preferences": [str(file)]})
    (tmp_path / "stage").mkdir()
    result = stage(options).run(StageContext(parent, child, {}, tmp_path / "stage", 0))
    assert result.figures == {"steps": 12, "chosen above rejected at the end (share)": 1}
    loss = [value for _, value in result.curves["loss (nats)"]]
    assert loss[0] == pytest.approx(0.693, abs=1e-3)
    assert loss[-1] < 0.5
    assert open_child(result.child).config.layer(1).intermediate_size == 96


def test_a_stored_reference_changes_memory_and_not_losses(child: Path, file: Path, tmp_path: Path) -> None:
    beside, stored = (make_job(child, tmp_path / str(flag), file, stored_reference=flag) for flag in (False, True))
    assert [loss for _, loss in run_job(stored).curve("loss")] == pytest.approx(
        [loss for _, loss in run_job(beside).curve("loss")], rel=1e-4
    )


def test_losses_are_weighed_and_rpo_is_a_loss_more() -> None:
    assert settings().weighted_losses == {"sigmoid": 1}
    assert settings(loss="ipo", rpo_alpha=0.2).weighted_losses == {"ipo": 1, "sft": 0.2}
    assert settings(loss=["sigmoid", "sft"], loss_weights=[1, 0.5]).weighted_losses == {"sigmoid": 1, "sft": 0.5}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"loss": "kto"}, "Input should be 'sigmoid', 'hinge'"),
        ({"loss_weights": [1, 2]}, "loss_weights has 2 numbers for 1 losses"),
        ({"loss": ["sft"], "rpo_alpha": 1}, "rpo_alpha adds the loss sft"),
    ],
)
def test_losses_that_cannot_be_are_mistakes(changed: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**changed)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "no JSON"),
        ('{"prompt": "x", "chosen": "y"}', 'expected {"prompt": …'),
        ('{"prompt": "x", "chosen": "y", "rejected": "y"}', "chosen and rejected are the same"),
    ],
)
def test_a_line_that_is_no_preference_is_named(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "bad.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(UserError, match=f"bad.jsonl:2: {expected}"):
        list(read_preferences(tmp_path / "bad.jsonl"))


def test_conversations_may_be_lists_and_long_ones_are_left_out(child: Path, tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    system = [{"role": "system", "content": "detailed thinking off"}, {"role": "user", "content": "1 + 1?"}]
    rows = [{"prompt": system, "chosen": "2", "rejected": "3"}, {"prompt": "x" * 400, "chosen": "2", "rejected": "3"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = list(read_preferences(path))
    assert found[0]["prompt"] == system
    assert write_preferences(tmp_path, found, child, 192) == 1
    with pytest.raises(UserError, match="all 2 preferences are longer than 9 tokens; raise longest"):
        write_preferences(tmp_path, found, child, 9)
