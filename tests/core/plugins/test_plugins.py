"""Plugins of strangers, installed as real distributions on the path: a module and its metadata."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.events import Event, emit, listening
from blockwright.plugins import Plugins
from blockwright.plugins.loading import SLOW_SECONDS, Plugin
from blockwright.terminal.plugins import plugins_summary

Install = Callable[..., None]

SOLVER = """
import blockwright
from blockwright.problem import Problem, Solution, Solver

class Mine(Solver):
    name = "{name}"

    def solve(self, problem: Problem) -> Solution:
        return Solution({{}}, 0.0, 0.0, 0.0, "optimal", 0.0, 0, {{}})

@blockwright.hookimpl
def register_solvers():
    return [Mine]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install("mine", source)` makes a distribution of one module and one entry point of that name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, source: str, version: str = "2.5") -> None:
        module = f"stranger_{name.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(source)
        metadata = tmp_path / f"{module}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[blockwright]\n{name} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return make


def row(plugins: Plugins, name: str) -> Plugin:
    return next(plugin for plugin in plugins.table if plugin.name == name)


def test_one_module_and_one_entry_point_are_a_plugin(install: Install) -> None:
    install("mine", SOLVER.format(name="thrifty"))
    plugins = Plugins.load()
    assert plugins.solver("thrifty").__name__ == "Mine"
    assert row(plugins, "mine").owner == "plugin 'mine' (stranger_mine 2.5)"
    assert row(plugins, "mine").provides == ("solver 'thrifty'",)
    assert row(plugins, "mine").hooks == ("register_solvers",)


def test_version_is_found_by_the_plugin_and_by_what_it_brings(install: Install) -> None:
    install("mine", SOLVER.format(name="thrifty"))
    plugins = Plugins.load()
    assert plugins.version_of("mine") == plugins.version_of("thrifty") == "stranger_mine 2.5"
    with pytest.raises(KeyError):
        plugins.version_of("nobody")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import blockwright\n@blockwright.hookimpl\ndef register_solvers(): return 1 / 0", "ZeroDivisionError"),
        ("import blockwright\n@blockwright.hookimpl\ndef register_solver(): return []", "register_solver"),
        ("import blockwright\n@blockwright.hookimpl\ndef register_solvers(mine): return []", "mine"),
        ("import blockwright\n@blockwright.hookimpl\ndef register_solvers(): return None", "must return a list"),
        (
            "import blockwright\n@blockwright.hookimpl\ndef register_solvers(): return [dict]",
            "blockwright.problem.Solver",
        ),
        (SOLVER.format(name="thrifty").replace("def solve", "def other"), "does not define solve"),
        (SOLVER.format(name=""), "needs a class attribute `name`"),
        (SOLVER.format(name="thrifty").replace("[Mine]", "[Mine, Mine]"), "two parts of one name"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_stops_no_other(
    install: Install, source: str, reason: str
) -> None:
    install("bad", source)
    install("zzz", SOLVER.format(name="healthy"))
    plugins = Plugins.load()
    assert reason in str(row(plugins, "bad").broken)
    assert row(plugins, "bad").provides == ()
    assert plugins.solver("healthy")
    assert "fisher" in plugins.scorers


def test_a_clash_names_both_owners_and_keeps_the_first(install: Install) -> None:
    install("anna", SOLVER.format(name="thrifty"))
    install("bert", SOLVER.format(name="thrifty"))
    plugins = Plugins.load()
    reason = str(row(plugins, "bert").broken)
    assert "solver 'thrifty'" in reason
    assert "'anna' (stranger_anna 2.5)" in reason
    assert "'bert' (stranger_bert 2.5)" in reason
    assert plugins.solver("thrifty").__module__ == "stranger_anna"


def test_a_stranger_cannot_take_a_built_in_name(install: Install) -> None:
    install("fisher", SOLVER.format(name="thrifty"))
    plugins = Plugins.load()
    stranger = next(plugin for plugin in plugins.table if plugin.distribution == "stranger_fisher")
    assert "plugin 'fisher' (blockwright" in str(stranger.broken)
    assert plugins.version_of("fisher").startswith("blockwright ")
    assert "fisher" in plugins.scorers


def test_an_unknown_name_gets_the_nearest_one(install: Install) -> None:
    install("mine", SOLVER.format(name="thrifty"))
    with pytest.raises(UserError, match="no solver is called 'thrfty', did you mean 'thrifty'"):
        Plugins.load().solver("thrfty")


def test_a_name_that_is_missing_for_a_broken_plugin_says_so(install: Install) -> None:
    install("mine", "raise RuntimeError('needs a newer moon')")
    with pytest.raises(UserError, match=r"'mine' .* is broken: RuntimeError: needs a newer moon"):
        Plugins.load().solver("mine")


def test_the_subset_variable_loads_only_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKWRIGHT_PLUGINS", "fisher, variants")
    plugins = Plugins.load()
    assert [plugin.name for plugin in plugins.table] == ["fisher", "variants"]
    assert list(plugins.scorers) == ["fisher"]


def test_a_misspelt_name_in_the_subset_is_named_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKWRIGHT_PLUGINS", "fischer,variants")
    plugins = Plugins.load()
    assert row(plugins, "fischer").broken == (
        "BLOCKWRIGHT_PLUGINS: no plugin is called 'fischer', did you mean 'fisher'?"
    )
    assert ("ffn", "narrow") in plugins.variants
    with pytest.raises(UserError, match=r"no scorer is called 'fischer'.*did you mean 'fisher'"):
        plugins.scorer("fischer")


def test_a_slow_import_is_timed_and_named_and_the_plugin_works(install: Install) -> None:
    install("sleepy", f"import time; time.sleep({SLOW_SECONDS + 0.1})\n" + SOLVER.format(name="thrifty"))
    plugins = Plugins.load()
    assert row(plugins, "sleepy").is_slow and plugins.solver("thrifty")
    assert any("'sleepy' (stranger_sleepy 2.5) took 1." in line for line in plugins_summary(plugins).lines)


def test_a_run_is_told_of_broken_and_slow_plugins(install: Install) -> None:
    install("bad", "raise RuntimeError('needs a newer moon')")
    heard: list[Event] = []
    with listening(heard.append):
        Plugins.load().tell_troubles()
    told = next(event for event in heard if event.name == "plugin_broken")
    assert told.fields == {
        "plugin": "bad",
        "package": "stranger_bad 2.5",
        "reason": "RuntimeError: needs a newer moon",
    }


def test_plugins_are_found_by_their_name_or_by_what_they_bring(install: Install) -> None:
    install("mine", SOLVER.format(name="thrifty"))
    plugins = Plugins.load()
    assert [one.name for one in plugins.find("thrifty")] == [one.name for one in plugins.find("mine")] == ["mine"]
    assert [one.name for one in plugins.find("narrow")] == ["variants"]
    with pytest.raises(UserError, match="no plugin is called 'thrfty', did you mean 'thrifty'"):
        plugins.find("thrfty")


def test_the_table_has_hooks_packages_and_seconds(install: Install) -> None:
    install("mine", SOLVER.format(name="thrifty"))
    data = plugins_summary(Plugins.load()).data
    assert isinstance(data, list)
    (mine,) = [one for one in data if one["plugin"] == "mine"]
    assert mine.pop("seconds") > 0
    assert mine == {
        "plugin": "mine",
        "distribution": "stranger_mine",
        "version": "2.5",
        "hooks": ["register_solvers"],
        "provides": ["solver 'thrifty'"],
        "broken": None,
        "slow": False,
    }


def test_observers_are_told_events_until_they_fail(install: Install, tmp_path: Path) -> None:
    install("calm", "import blockwright\nseen = []\n@blockwright.hookimpl\ndef observe(event): seen.append(event.name)")
    install("nervous", "import blockwright\n@blockwright.hookimpl\ndef observe(event): raise OSError('disk full')")
    heard: list[Event] = []
    with listening(heard.append), Plugins.load().observing():
        emit("layer_built", layer=1)
        emit("layer_built", layer=2)
    assert sys.modules["stranger_calm"].seen.count("layer_built") == 2
    failures = [event.fields for event in heard if event.name == "observer_failed"]
    assert failures == [{"plugin": "nervous", "error": "OSError('disk full')"}]


def test_resources_are_folders_by_kind(install: Install, tmp_path: Path) -> None:
    (tmp_path / "my_spaces").mkdir()
    install(
        "spaces",
        "import blockwright\nfrom pathlib import Path\nfrom blockwright.resources import Resources\n"
        "@blockwright.hookimpl\n"
        "def register_resources(): return [Resources('searchspaces', Path(__file__).parent / 'my_spaces')]",
    )
    folders = Plugins.load().resource_folders("searchspaces")
    assert folders[0].name == "blockwright_spaces"
    assert folders[-1] == tmp_path / "my_spaces"


def test_every_built_in_plugin_loads() -> None:
    built_in = [plugin for plugin in Plugins.load().table if plugin.distribution == "blockwright"]
    assert {plugin.name: plugin.broken for plugin in built_in if plugin.broken} == {}
    assert len(built_in) >= 8


def test_loading_all_plugins_imports_no_torch() -> None:
    script = "import sys; from blockwright.plugins import Plugins; Plugins.load(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
