"""A program of somebody else's as a stage: what it is told, what it must leave, and what happens when it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from safetensors.torch import load_file

from blockwright.child.assembly import assemble
from blockwright.child.checkpoint import open_child, write_child
from blockwright.errors import UserError
from blockwright.library import Library
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.stages import StageContext, StageResult
from blockwright.variants import SubBlock, VariantSpec

HALVES = """
import pathlib, sys
from safetensors.torch import load_file, save_file
child, output = map(pathlib.Path, sys.argv[1:3])
output.mkdir()
tensors = load_file(child / "model.safetensors")
tensors["model.norm.weight"] = tensors["model.norm.weight"] / 2
save_file(tensors, output / "model.safetensors", metadata={"format": "pt"})
(output / "config.json").write_text((child / "config.json").read_text())
pathlib.Path("figures.json").write_text('{"norms halved": 1}')
print("halved")
"""
UV = """#!/bin/sh
echo "$@" >> asked
for word in "$@"; do case "$word" in checkpointing.checkpoint_dir=*) folder=${word#*=} ;; esac; done
case "$*" in
  *run_dpo*) mkdir -p "$folder/step_20/policy/weights" "$folder/step_100/policy/weights" ;;
  *convert_dcp_to_hf*)
    while [ $# -gt 0 ]; do [ "$1" = --hf-ckpt-path ] && output=$2; shift; done
    mkdir -p "$output" && cp "$CHILD/config.json" "$CHILD/model.safetensors" "$output/" ;;
esac
"""
COPY = "cp {child}/config.json {child}/model.safetensors {output}/"


@pytest.fixture
def context(parent: Parent, library: Library, plugins: Plugins, tmp_path: Path) -> StageContext:
    skipped = {SubBlock(1, "attention"): VariantSpec("attention", "skip")}
    write_child(tmp_path / "given child", assemble(parent, library, skipped, plugins.variants), parent)
    (tmp_path / "given child" / "tokenizer.json").write_text("{}")
    (tmp_path / "stage").mkdir()
    return StageContext(parent, tmp_path / "given child", {}, tmp_path / "stage", 7)


@pytest.fixture
def run(context: StageContext, plugins: Plugins) -> Callable[..., StageResult]:
    stage = plugins.stage("command")
    return lambda command, **options: stage(
        stage.Options.model_validate({"command": command, "shell": isinstance(command, str), **options})
    ).run(context)


def test_the_child_that_a_program_writes_is_the_stages(run: Callable[..., StageResult], context: StageContext) -> None:
    result = run([sys.executable, "-c", HALVES, "{child}", "{output}"])
    given, made = (load_file(folder / "model.safetensors") for folder in (context.child, result.child))
    assert (made["model.norm.weight"] * 2).equal(given["model.norm.weight"])
    assert open_child(result.child).config.num_hidden_layers == 3
    assert result.figures == {"norms halved": 1.0}
    assert (context.directory / "command.log").read_text() == "halved\n"


def test_what_the_program_leaves_out_beside_weights_and_config_is_the_given_childs(
    run: Callable[..., StageResult],
) -> None:
    made = run("mkdir {output}; " + COPY).child
    assert (made / "tokenizer.json").read_text() == "{}"
    assert (made / "modeling_blockwright.py").is_file()


def test_every_place_is_filled_and_braces_stay(run: Callable[..., StageResult], context: StageContext) -> None:
    run("echo {seed} {parent} {directory} '{{a}}' > told; mkdir {output}; " + COPY)
    work = context.directory / "work"
    told = (work / "told").read_text().split()
    assert told == ["7", str(context.parent.directory.resolve()), str(work.resolve()), "{a}"]


def test_variables_are_set_and_taken_away_and_those_of_this_python_do_not_reach_it(
    run: Callable[..., StageResult], context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/blockwright")
    monkeypatch.setenv("GONE", "1")
    run("echo -$PYTHONPATH-$GONE-$COUNT- > told; mkdir {output}; " + COPY, env={"COUNT": 3, "GONE": None})
    assert (context.directory / "work" / "told").read_text() == "---3-\n"


def test_places_are_filled_in_variables_too(
    run: Callable[..., StageResult], context: StageContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run('echo "$DATA" > told; mkdir {output}; ' + COPY, env={"DATA": "{here}/a b.jsonl {seed}"})
    assert (context.directory / "work" / "told").read_text() == f"{tmp_path.resolve()}/a b.jsonl 7\n"


def test_inputs_are_found_where_they_are_or_copied(
    run: Callable[..., StageResult], context: StageContext, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_text("data")
    (tmp_path / "grpo.yaml").write_text("a: 1\n")
    inputs = {"data": tmp_path / "train.jsonl", "config": {"copy": tmp_path / "grpo.yaml"}}
    run("echo 'b: 2' >> {config}; cat {data} {config} > told; mkdir {output}; " + COPY, inputs=inputs)
    assert (context.directory / "work" / "told").read_text() == "dataa: 1\nb: 2\n"
    assert (tmp_path / "grpo.yaml").read_text() == "a: 1\n"


def test_a_changed_input_changes_the_stages_fingerprint(plugins: Plugins, tmp_path: Path) -> None:
    file = tmp_path / "grpo.yaml"
    file.write_text("a: 1")
    options = plugins.stage("command").Options.model_validate({"command": ["a", "{output}"], "inputs": {"it": file}})
    before = options.fingerprint()
    assert options.fingerprint() == before
    file.write_text("a: 12")
    assert options.fingerprint() != before


def test_a_failure_shows_the_end_of_the_log(run: Callable[..., StageResult]) -> None:
    with pytest.raises(UserError, match=r"ended with 3; the end of .*command\.log:\n(  \| \d+\n)+  \| out of memory$"):
        run("seq 100; echo out of memory >&2; exit 3; : {output}")


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_has_started(
    run: Callable[..., StageResult], context: StageContext
) -> None:
    with pytest.raises(UserError, match=r"after its 0\.5 s"):
        run("sleep 60 & echo $! > inner; wait; : {output}", timeout=0.5)
    inner = int((context.directory / "work" / "inner").read_text())
    for _ in range(50):
        if not Path(f"/proc/{inner}").exists() or "Z" in Path(f"/proc/{inner}/stat").read_text().split()[2]:
            return
        time.sleep(0.1)
    pytest.fail("the inner process is still there")


def test_missing_outputs_and_what_is_no_child_are_refused(run: Callable[..., StageResult]) -> None:
    with pytest.raises(UserError, match=r"left no config\.json, \*\.safetensors in \{output\}"):
        run("mkdir {output}")
    with pytest.raises(UserError, match="a model of the type 'llama', not a child"):
        run("mkdir {output}; cp {parent}/config.json {parent}/model.safetensors {output}/")
    with pytest.raises(UserError, match=r"has no weight|is \[.*\], not \["):
        run("mkdir {output}; " + COPY + '; sed -i \'s/"hidden_size": 48/"hidden_size": 96/\' {output}/config.json')


def test_what_was_finished_is_kept(run: Callable[..., StageResult], context: StageContext) -> None:
    command = "echo once >> " + str(context.directory / "count") + "; mkdir {output}; " + COPY
    assert run(command).child == run(command).child
    assert (context.directory / "count").read_text() == "once\n"


def test_after_a_failure_the_directory_is_clean_and_resume_is_as_it_was(
    run: Callable[..., StageResult], context: StageContext
) -> None:
    command = "ls > {resume}/seen; touch left; test -e {resume}/state || {{ touch {resume}/state; exit 1; }}; "
    command += "cp {resume}/seen kept; mkdir {output}; " + COPY
    with pytest.raises(UserError):
        run(command)
    run(command)
    assert (context.directory / "work" / "kept").read_text() == ""
    assert not (context.directory / "resume").exists()


def test_a_command_of_a_killed_run_that_is_still_at_work_is_not_joined_by_another(
    run: Callable[..., StageResult], context: StageContext
) -> None:
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (context.directory / "command.pid").write_text(f"{other.pid}\n")
    try:
        with pytest.raises(UserError, match=f"process {other.pid}.*still at work"):
            run("mkdir {output}; " + COPY)
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()
    assert run("mkdir {output}; " + COPY).child.is_dir()


def test_the_script_for_nemo_rl_trains_from_the_child_and_converts_the_newest_checkpoint(
    run: Callable[..., StageResult], context: StageContext, tmp_path: Path
) -> None:
    """`uv` is a stand-in that notes what it is asked for and writes what NeMo-RL does."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").write_text(UV)
    (tmp_path / "bin" / "uv").chmod(0o755)
    variables = {"NEMO_RL": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    variables |= {"PAIRS": "{here}/pairs.jsonl", "STEPS": "30", "CHILD": "{child}"}
    command = ["bash", "{script}", "{child}", "{output}", "{resume}", "{seed}"]
    script = Path(__file__).parents[3] / "recipes" / "nemo-rl-rpo.sh"
    made = run(command, env=variables, inputs={"script": str(script)}).child
    assert (made / "config.json").is_file()
    trained, converted = (tmp_path / "asked").read_text().splitlines()
    assert f"policy.model_name={context.child.resolve()}" in trained
    assert "dpo.max_num_steps=30" in trained and "dpo.seed=7" in trained
    assert "step_100/policy/weights" in converted


def test_numbers_in_a_command_are_words(plugins: Plugins) -> None:
    options = plugins.stage("command").Options.model_validate({"command": ["train", "{output}", 400, 1e-5]})
    assert options.words == ("train", "{output}", "400", "1e-05")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"command": "train {output}"}, "with `shell: true` write one text"),
        ({"command": ["train"]}, r"\{output\}, the folder .* does not occur"),
        ({"command": ["train", "{output}", "{chld}"]}, r"no place \{chld\}, did you mean 'child'"),
        ({"command": ["train", "{output}"], "inputs": {"data": "/no/such"}}, "data: there is no file or folder"),
        ({"command": ["train", "{output}"], "inputs": {"seed": "/"}}, "'seed' cannot name an input"),
    ],
)
def test_a_wrong_command_is_a_mistake_of_the_recipe(plugins: Plugins, options: object, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        plugins.stage("command").Options.model_validate(options)


def test_a_program_that_is_not_there_is_told(run: Callable[..., StageResult]) -> None:
    with pytest.raises(UserError, match="there is no command 'no-such-program'"):
        run(["no-such-program", "{output}"])
