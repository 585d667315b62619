from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from blockwright.training.job import EVENT_LINE, FAILED, REFUSED, TrainingJob, main

MakeJob = Callable[..., TrainingJob]


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line.removeprefix(EVENT_LINE)) for line in lines if line.startswith(EVENT_LINE)]


def test_a_job_survives_its_file(make_job: MakeJob) -> None:
    job = make_job(losses={"hidden": 0.5}, betas=(0.9, 0.99))
    assert TrainingJob.model_validate(json.loads(job.write().read_text())) == job


def test_a_job_of_its_own_tells_its_events_and_ends_well(make_job: MakeJob, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(make_job().write()) == 0
    events = told(capsys)
    assert [event["done"] for event in events if event["name"] == "step_trained"] == list(range(1, 9))
    assert [event["name"] for event in events][-1] == "checkpoint_saved"


def test_a_mistake_is_told_as_one_without_a_traceback(make_job: MakeJob, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(make_job(accumulate=3).write()) == 2
    (event,) = told(capsys)
    assert event["name"] == REFUSED
    assert "accumulate 3; give a multiple of 3" in str(event["fields"])


def test_a_crash_is_told_in_one_line_before_its_traceback(
    make_job: MakeJob, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job()
    with pytest.raises(FileNotFoundError):
        main(job.model_copy(update={"corpus": job.directory / "nowhere"}).write())
    (event,) = told(capsys)
    assert event["name"] == FAILED
    assert "FileNotFoundError" in str(event["fields"])
