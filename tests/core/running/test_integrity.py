"""Files of finished steps that were cut, changed, swapped or lost since: named, and only their step done again."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blockwright.api import Run, open_run, run
from blockwright.errors import UserError
from blockwright.files import read_record, sha256_of
from blockwright.running.integrity import damaged
from blockwright.seals import DONE

CASES = 100
Damage = Callable[[random.Random, Path, list[Path]], None]


@pytest.fixture(scope="module")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(make_recipe(tmp_path_factory.mktemp("finished")))


@pytest.fixture
def copy(finished: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.directory, tmp_path / "runs" / "tiny", symlinks=True))


def truncate(chance: random.Random, path: Path, others: list[Path]) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def flip_a_bit(chance: random.Random, path: Path, others: list[Path]) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def swap(chance: random.Random, path: Path, others: list[Path]) -> None:
    """With another of the same kind, of the same length where there is one."""
    alike = [one for one in others if one.suffix == path.suffix and one.read_bytes() != path.read_bytes()]
    as_long = [one for one in alike if one.stat().st_size == path.stat().st_size]
    other = chance.choice(as_long or alike or [one for one in others if one.read_bytes() != path.read_bytes()])
    here, there = path.read_bytes(), other.read_bytes()
    path.write_bytes(there)
    other.write_bytes(here)


def lose(chance: random.Random, path: Path, others: list[Path]) -> None:
    path.unlink()


def link_elsewhere(chance: random.Random, path: Path, others: list[Path]) -> None:
    """To a file of the same bytes outside the run."""
    outside = path.parents[3] / "outside"
    shutil.copyfile(path, outside)
    path.unlink()
    path.symlink_to(outside)


DAMAGES: tuple[Damage, ...] = (truncate, flip_a_bit, swap, lose, link_elsewhere)


def steps_of(directory: Path) -> Iterator[Path]:
    yield from (done.parent for done in sorted(directory.glob(f"*/{DONE}")))


def files_of(step: Path) -> list[Path]:
    recorded = read_record(step / DONE)["files"]
    assert isinstance(recorded, dict)
    return [step / name for name in recorded if (step / name).stat().st_size]


def test_every_kind_of_damage_to_any_file_of_any_step_is_found(finished: Run, copy: Path) -> None:
    chance = random.Random(0)
    names = [path.relative_to(copy) for step in steps_of(copy) for path in files_of(step)]
    assert len({name.parts[0] for name in names}) == len(list(steps_of(copy))) >= 7
    for case in range(CASES):
        name, damage = chance.choice(names), DAMAGES[case % len(DAMAGES)]
        step = copy / name.parts[0]
        damage(chance, copy / name, [one for one in files_of(step) if one != copy / name] or [copy / names[0]])
        assert str(name.relative_to(name.parts[0])) in damaged(step, read_record(step / DONE)), (case, name)
        shutil.rmtree(copy)
        shutil.copytree(finished.directory, copy, symlinks=True)
        assert not damaged(step, read_record(step / DONE))


@pytest.mark.parametrize("step", ["00-parent", "01-library", "02-scores", "04-solve", "06-refit"])
def test_only_the_damaged_step_is_done_again_and_ends_in_the_same_bytes(step: str, finished: Run, copy: Path) -> None:
    chance = random.Random(step)
    flip_a_bit(chance, chance.choice(files_of(copy / step)), [])
    again = run(copy / "recipe.yaml", f"runs={copy.parent}")
    assert again.directory == copy
    events = [json.loads(line) for line in (copy / "log.jsonl").read_text().splitlines()]
    last = max(number for number, event in enumerate(events) if event["event"] == "run_started")
    assert [event["step"] for event in events[last:] if event["event"] == "step_finished"] == [step]
    assert [event["step"] for event in events[last:] if event["event"] == "step_damaged"] == [step]
    for whole in steps_of(finished.directory):
        for path in files_of(whole):
            assert sha256_of(copy / path.relative_to(finished.directory)) == sha256_of(path), path


def test_damaged_record_has_its_step_done_again(copy: Path) -> None:
    record = copy / "04-solve" / DONE
    record.write_bytes(b"\xff" + record.read_bytes()[1:])
    run(copy / "recipe.yaml", f"runs={copy.parent}")
    assert not damaged(copy / "04-solve", read_record(record))


def test_reading_a_damaged_run_says_which_file_and_what_to_do(copy: Path) -> None:
    found = open_run(copy)
    weights = next(path for path in files_of(copy / "06-refit") if path.name == "model.safetensors")
    flip_a_bit(random.Random(0), weights, [])
    with pytest.raises(UserError, match=r"model\.safetensors: not what the step wrote .*`blockwright run`"):
        found.child  # noqa: B018
    flip_a_bit(random.Random(0), copy / "04-solve" / "solution.json", [])
    with pytest.raises(UserError, match=r"solution\.json: not what the step wrote"):
        found.solution  # noqa: B018
