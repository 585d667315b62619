"""The commands as a person types them: what they print, what they leave, and the code they end with."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blockwright.cli import app

COMMAND = [sys.executable, "-c", "from blockwright.cli import main; main()"]
HEAVY = ("torch", "transformers", "omegaconf", "structlog", "highspy")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, made by the command."""
    recipe = make_recipe(tmp_path_factory.mktemp("finished"))
    result = invoke("run", recipe)
    assert result.exit_code == 0, result.output
    return recipe.parent / "runs" / "tiny"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from blockwright.cli import app\n"
        "assert 'report' in CliRunner().invoke(app, ['--help']).output\n"
        f"assert not [name for name in {HEAVY} if name in sys.modules]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_run_shows_size_and_quality_of_the_child(finished: Path) -> None:
    output = invoke("show", finished).stdout
    assert "07-evaluation" in output
    assert "kl nats per token" in output
    assert "params" in output


def test_show_draws_the_child_and_names_its_report(finished: Path) -> None:
    output = invoke("show", finished).stdout
    assert "attention " in output
    assert "4 layers: " in output
    assert str(finished / "report" / "index.html") in output.replace("\n", "")


def test_show_as_json_holds_the_numbers_of_the_run_directory(finished: Path) -> None:
    shown = json.loads(invoke("show", finished, "--json").stdout)
    evaluation = json.loads((finished / "07-evaluation" / "evaluation.json").read_text())
    solution = json.loads((finished / "04-solve" / "solution.json").read_text())["solution"]
    assert shown["evaluation"] == evaluation
    assert shown["solution"]["variants"] == solution["variants"]
    assert list(shown["steps"]) == sorted(path.parent.name for path in finished.glob("*/done.json"))


def test_show_of_a_run_that_is_not_there_names_the_nearest(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.parents[1])
    result = invoke("show", "tinny")
    assert result.exit_code == 2
    assert result.stderr == "no run 'tinny', did you mean 'tiny'?\n"
    assert invoke("show", "tiny").exit_code == 0


def test_solve_answers_another_budget_and_leaves_the_run_as_it_is(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    solved = json.loads(invoke("solve", finished, "params=60%", "--json").stdout)
    parent = json.loads((finished / "03-costs" / "costs.json").read_text())["parent"]
    assert solved["costs"]["params"] <= 0.6 * parent["params"]
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("params=1%", "command line: params=1%: no child of this space has less than 2.08 k params"),
        ("parms=50%", "command line: parms=50%: no such key, did you mean 'params'?"),
        ("params", "command line: params: an override is written key=value"),
    ],
)
def test_solve_tells_a_budget_that_is_none(finished: Path, limit: str, told: str) -> None:
    result = invoke("solve", finished, limit)
    assert result.exit_code == 2
    assert result.stderr.startswith(told)


def test_check_shows_the_plan_and_writes_nothing(recipe: Path) -> None:
    result = invoke("check", recipe, "--json")
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert plan["children"] == str((4 * 3) ** 4)
    assert set(plan["steps"].values()) == {"to do"}
    assert plan["space"]["ffn.3"] == ["keep", "narrow=24", "skip"]
    assert all(seconds > 0 for seconds in plan["seconds"].values())
    assert not (recipe.parent / "runs").exists()


def test_check_tells_which_steps_are_done(finished: Path) -> None:
    recipe = finished.parents[1] / "recipe.yaml"
    assert set(json.loads(invoke("check", recipe, "--json").stdout)["steps"].values()) == {"done"}
    states = json.loads(invoke("check", recipe, "budget.params=70%", "--json").stdout)["steps"]
    assert [step for step, state in states.items() if state == "done"] == ["00-parent", "01-library", "02-scores"]


def test_check_on_a_terminal_shows_tables(recipe: Path) -> None:
    output = invoke("check", recipe).stdout
    assert "attention 0-3" in output
    assert "20,736 children" in output


def test_plugins_lists_what_is_installed() -> None:
    listed = json.loads(invoke("plugins", "--json").stdout)
    assert "scorer 'fisher'" in next(row["provides"] for row in listed if row["plugin"] == "fisher")


def test_interrupted_run_ends_with_130_and_says_how_to_go_on(recipe: Path) -> None:
    def hear_interrupts() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background inherits that they are ignored

    command = [*COMMAND, "run", str(recipe)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step_started step=01-library"):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 130
    assert rest.splitlines()[-1] == "interrupted; the same command goes on from here"


def test_full_disk_is_one_line(recipe: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    ended = subprocess.run(
        [*COMMAND, "run", str(recipe)], capture_output=True, text=True, preexec_fn=little_room, check=False
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "File too large" in ended.stderr.splitlines()[-1]


def test_runs_folder_that_is_a_file_is_one_line(recipe: Path) -> None:
    (recipe.parent / "runs").write_text("")
    result = invoke("run", recipe)
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr or "File exists" in result.stderr


def test_second_run_of_the_same_name_is_refused(recipe: Path) -> None:
    process = subprocess.Popen([*COMMAND, "run", str(recipe)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("run_started")
        process.send_signal(signal.SIGSTOP)
        result = invoke("run", recipe)
        assert result.exit_code == 2
        assert f"process {process.pid} is at work on this run" in result.stderr
    finally:
        process.kill()
        process.communicate()


def test_hardware_lists_and_shows_what_is_bundled() -> None:
    listed = json.loads(invoke("hardware", "list", "--json").stdout)
    assert {"h100-sxm", "h200-sxm", "a100-sxm", "b200-sxm", "l40s"} <= {profile["name"] for profile in listed}
    shown = invoke("hardware", "show", "l40s")
    assert shown.exit_code == 0 and "864 GB/s" in shown.stdout and "Apache-2.0" in shown.stdout


def test_hardware_names_the_profile_that_was_meant() -> None:
    result = invoke("hardware", "show", "h100-smx")
    assert result.exit_code == 2
    assert "no hardware profile is called 'h100-smx', did you mean 'h100-sxm'?" in result.stderr


def test_a_device_that_is_none_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    result = invoke("hardware", "measure", "--out", str(tmp_path / "x.yaml"), "--device", "tpu")
    assert result.exit_code == 2 and "'tpu' is none of cpu, cuda" in result.stderr
    assert not (tmp_path / "x.yaml").exists()
