"""A plugin of every kind, as it is written: installed like any other, its own test passes and its contract holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blockwright.authoring.writing import KINDS, write_plugin
from blockwright.cli import app
from blockwright.errors import UserError
from blockwright.plugins.parts import KINDS as PARTS

CHECKS = """
import json, sys
from dataclasses import asdict
from blockwright.contracts.checking import check_plugin
from blockwright.plugins import Plugins
plugins = Plugins.load()
done = {name: [asdict(one) for row in plugins.find(name) for one in check_plugin(row)] for name in sys.argv[1:]}
print(json.dumps(done))
"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Python with the packages installed below `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One plugin of every kind, installed by pip without a network into a folder of its own."""
    folder = tmp_path_factory.mktemp("authors")
    for kind in KINDS:
        out = str(folder / "packages" / f"my-own-{kind}")
        written = CliRunner().invoke(app, ["plugins", "new", f"my-own-{kind}", "--kind", kind, "--out", out])
        assert written.exit_code == 0, written.output
    arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    packages = map(str, sorted((folder / "packages").iterdir()))
    done = run(*arguments, str(folder / "site"), *packages, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_own_test_of_every_new_plugin_passes(installed: Path) -> None:
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "packages"]
    tested = run(*arguments, folder=installed)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_new_plugin_keeps_its_contract(installed: Path) -> None:
    names = [f"my-own-{kind}" for kind in KINDS]
    checked = run("-c", CHECKS, *names, folder=installed)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for name, outcomes in json.loads(checked.stdout.splitlines()[-1]).items():
        assert len(outcomes) >= 5, name
        assert [outcome for outcome in outcomes if outcome["state"] != "kept"] == [], name


def test_an_editable_install_is_found(tmp_path: Path) -> None:
    """As `pip install -e .` leaves it: metadata and a path in a folder that Python looks into."""
    write_plugin("my-solver", "solver", tmp_path / "my-solver")
    arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    done = run(*arguments, str(tmp_path / "site"), "-e", str(tmp_path / "my-solver"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    listing = "import site; site.addsitedir('site'); import sys; from blockwright.cli import main; "
    listed = run("-c", listing + "sys.argv[1:] = ['plugins', '--json']; main()", folder=tmp_path)
    (mine,) = [one for one in json.loads(listed.stdout) if one["plugin"] == "my-solver"]
    assert mine["broken"] is None and mine["provides"] == ["solver 'my-solver'"]


def test_every_hook_can_be_written() -> None:
    assert {kind.hook for kind in PARTS} | {"register_resources", "observe"} == {kind.hook for kind in KINDS.values()}


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("mine", "sovler", "no kind of plugin is called 'sovler', did you mean 'solver'"),
        ("My Solver", "solver", "'My Solver' cannot name a package"),
        ("blockwright", "solver", "is Blockwright's own name"),
    ],
)
def test_a_name_that_is_none_is_told_and_nothing_is_written(name: str, kind: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        write_plugin(name, kind, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="is there already"):
        write_plugin("mine", "solver", tmp_path / "mine")
