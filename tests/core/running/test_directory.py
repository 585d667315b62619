import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.running.directory import RunDirectory, step_key

HOLD_THE_LOCK = """
import sys, time
from pathlib import Path
from blockwright.running.directory import RunDirectory
with RunDirectory(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


def write(name, text="x"):
    def work(folder):
        (folder / name).write_text(text)

    return work


def fail(folder):
    raise AssertionError("this step must not run again")


def test_step_is_done_once(tmp_path):
    run = RunDirectory(tmp_path)
    run.do("01-a", "k", write("f"))
    run.do("01-a", "k", fail)
    assert run.is_done("01-a", "k")
    assert run.seconds("01-a") is not None


def test_done_record_holds_key_and_checksums(tmp_path):
    RunDirectory(tmp_path).do("01-a", "k", write("f", "abc"))
    done = json.loads((tmp_path / "01-a" / "done.json").read_text())
    assert done["key"] == "k"
    assert done["files"]["f"]["bytes"] == 3
    assert done["files"]["f"]["sha256"].startswith("ba7816bf")


def test_changed_key_clears_the_folder_before_the_step_is_redone(tmp_path):
    run = RunDirectory(tmp_path)
    run.do("01-a", "old", write("of_old"))
    run.do("01-a", "new", write("of_new"))
    assert not (tmp_path / "01-a" / "of_old").exists()
    assert (tmp_path / "01-a" / "of_new").exists()


def test_missing_or_cut_output_is_made_again(tmp_path):
    run = RunDirectory(tmp_path)
    run.do("01-a", "k", write("f", "abc"))
    (tmp_path / "01-a" / "f").write_text("a")
    assert not run.is_done("01-a", "k")
    run.do("01-a", "k", write("f", "abc"))
    assert (tmp_path / "01-a" / "f").read_text() == "abc"


def test_partial_work_of_the_same_key_is_kept_for_the_step(tmp_path):
    run = RunDirectory(tmp_path)

    def crash(folder):
        (folder / "half").write_text("half")
        (folder / ".cut.7.part").write_text("")
        (folder / ".child.part").mkdir()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        run.do("01-a", "k", crash)
    run.do("01-a", "k", lambda folder: (folder / "rest").write_text((folder / "half").read_text()))
    assert sorted(path.name for path in (tmp_path / "01-a").iterdir()) == ["done.json", "half", "rest", "started.json"]


def test_partial_work_of_another_key_is_cleared(tmp_path):
    run = RunDirectory(tmp_path)

    def crash(folder):
        (folder / "half").write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        run.do("01-a", "old", crash)
    run.do("01-a", "new", write("f"))
    assert not (tmp_path / "01-a" / "half").exists()


def test_steps_that_the_recipe_no_longer_has_are_removed_and_strangers_folders_are_not(tmp_path):
    run = RunDirectory(tmp_path)
    run.do("06-refit", "k", write("f"))
    run.do("01-library", "k", write("f"))
    (tmp_path / "07-notes").mkdir()
    run.remove_all_but(frozenset({"01-library"}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01-library", "07-notes"]


def test_second_process_is_refused_with_the_first_ones_pid_and_a_killed_ones_lock_is_taken_over(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match=f"process {holder.pid} is at work"), RunDirectory(tmp_path).locked():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with RunDirectory(tmp_path).locked():
            assert Path(tmp_path, "lock").read_text().strip() == str(os.getpid())
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_key_changes_with_everything_that_the_result_depends_on():
    base = ("04-solve", {"a": 1}, ("in",), {"highs": "1"}, 0)
    others = [
        ("05-build", {"a": 1}, ("in",), {"highs": "1"}, 0),
        ("04-solve", {"a": 2}, ("in",), {"highs": "1"}, 0),
        ("04-solve", {"a": 1}, ("other",), {"highs": "1"}, 0),
        ("04-solve", {"a": 1}, ("in",), {"highs": "2"}, 0),
        ("04-solve", {"a": 1}, ("in",), {"highs": "1"}, 1),
    ]
    keys = {step_key(*parts) for parts in [base, *others]}
    assert len(keys) == 6
    assert step_key(*base) == step_key(*base)
