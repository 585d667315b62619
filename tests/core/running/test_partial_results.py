"""What a killed step left is gone on from only while it is what the step wrote; else that step starts again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.events import Event, listening
from blockwright.files import write_atomically, write_directory_atomically, write_json
from blockwright.running.directory import RunDirectory
from blockwright.seals import DONE, SEALS, broken_seals, seal

STEP, KEY = "01-a", "k"


def killed(run: RunDirectory, work: Callable[[Path], None]) -> Path:
    """The folder of a step that did `work` and was killed then."""

    def half(folder: Path) -> None:
        work(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.do(STEP, KEY, half)
    return run.folder(STEP)


def left_over(run: RunDirectory) -> tuple[list[str], list[Event]]:
    """What the next start finds in the folder, and the damages that it tells."""
    told: list[Event] = []
    found: list[str] = []
    with listening(told.append):
        run.do(STEP, KEY, lambda folder: found.extend(sorted(path.name for path in folder.iterdir())))
    return found, [event for event in told if event.name == "step_damaged"]


def write_two(folder: Path) -> None:
    write_json(folder / "a.json", {"score": 1.0})
    write_json(folder / "b.json", {"score": 2.0})


def truncate(folder: Path) -> None:
    (folder / "a.json").write_bytes((folder / "a.json").read_bytes()[:-3])


def flip_a_bit(folder: Path) -> None:
    content = (folder / "a.json").read_bytes()
    (folder / "a.json").write_bytes(content.replace(b"1.0", b"1.2"))


def swap(folder: Path) -> None:
    one, other = ((folder / name).read_bytes() for name in ("a.json", "b.json"))
    (folder / "a.json").write_bytes(other)
    (folder / "b.json").write_bytes(one)


def link_elsewhere(folder: Path) -> None:
    (folder / "a.json").rename(folder.parent / "a.json")
    (folder / "a.json").symlink_to(folder.parent / "a.json")


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, swap, link_elsewhere])
def test_a_damaged_partial_file_has_its_step_start_again(damage: Callable[[Path], None], tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    damage(killed(run, write_two))
    found, damages = left_over(run)
    assert found == ["started.json"]
    assert [event.fields["step"] for event in damages] == [STEP]


def test_whole_partial_files_are_gone_on_from_and_the_seals_go_with_the_end(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert (killed(run, write_two) / SEALS).exists()
    assert left_over(run) == (["a.json", "b.json", SEALS, "started.json"], [])
    assert not (run.folder(STEP) / SEALS).exists()
    assert SEALS not in (run.folder(STEP) / DONE).read_text()


def test_a_file_that_was_removed_or_written_again_is_no_damage(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        write_two(folder)
        write_json(folder / "a.json", {"score": 3.0})
        (folder / "b.json").unlink()

    assert not broken_seals(killed(RunDirectory(tmp_path), work))


def test_a_kill_between_a_seal_and_its_file_leaves_the_file_before_as_whole(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        write_two(folder)
        (folder / "next").write_text("next")
        seal(folder / "next", folder / "a.json")
        (folder / "next").unlink()

    assert not broken_seals(killed(RunDirectory(tmp_path), work))


def test_every_file_of_a_folder_is_sealed_under_its_last_name(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        with write_directory_atomically(folder / "child") as beside:
            write_json(beside / "config.json", {"layers": 3})
            (beside / "weights").write_bytes(b"12345678")

    folder = killed(RunDirectory(tmp_path), work)
    assert not broken_seals(folder)
    (folder / "child" / "weights").write_bytes(b"12345679")
    assert broken_seals(folder) == ("child/weights",)


def test_of_a_file_that_grows_the_sealed_rows_are_held_to_and_those_after_are_not(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        with write_atomically(folder / "losses.csv", grows=True) as beside:
            beside.write_text("step,loss\n1,0.5\n")

    folder = killed(RunDirectory(tmp_path), work)
    for text, whole in (
        ("step,loss\n1,0.5\n2,0.4\n", True),
        ("step,loss\n1,0.7\n2,0.4\n", False),
        ("step,loss\n1,", False),
    ):
        (folder / "losses.csv").write_text(text)
        assert (not broken_seals(folder)) is whole


def test_a_grown_file_that_was_cut_back_to_an_older_seal_is_damaged(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        for rows in ("1,0.5\n", "1,0.5\n2,0.4\n"):
            (folder / "losses.csv").write_text(rows)
            seal(folder / "losses.csv", grows=True)

    folder = killed(RunDirectory(tmp_path), work)
    assert not broken_seals(folder)
    (folder / "losses.csv").write_text("1,0.5\n")
    assert broken_seals(folder) == ("losses.csv",)


def test_a_cut_line_of_the_seals_says_nothing_and_the_others_still_hold(tmp_path: Path) -> None:
    folder = killed(RunDirectory(tmp_path), write_two)
    lines = (folder / SEALS).read_text()
    (folder / SEALS).write_text(lines + lines[:20])
    assert not broken_seals(folder)
    flip_a_bit(folder)
    assert broken_seals(folder) == ("a.json",)


def test_outside_of_steps_at_work_nothing_is_sealed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.do(STEP, KEY, write_two)
    write_json(run.folder(STEP) / "later.json", {})
    write_json(tmp_path / "recipe.json", {})
    assert not list(tmp_path.rglob(SEALS))
