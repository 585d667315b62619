"""Every hook is documented, and every built-in kind of part has one."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pluggy
import pytest

from blockwright import hookspecs
from blockwright.authoring.writing import KINDS as WRITTEN
from blockwright.authoring.writing import TEMPLATES
from blockwright.plugins.parts import KINDS

GUIDE = Path(__file__).parents[2] / "docs" / "plugins.md"


def hooks() -> dict[str, object]:
    manager = pluggy.PluginManager("blockwright")
    names = manager.parse_hookspec_opts
    return {name: hook for name, hook in vars(hookspecs).items() if inspect.isfunction(hook) and names(hookspecs, name)}


@pytest.mark.parametrize("name", sorted(hooks()))
def test_hook_is_documented_with_what_it_takes_and_returns(name: str) -> None:
    hook = hooks()[name]
    documentation = inspect.getdoc(hook) or ""
    assert len(documentation.splitlines()) >= 3
    assert (":param event:" if name == "observe" else ":returns:") in documentation


def test_there_is_a_hook_for_every_kind_of_part() -> None:
    assert {kind.hook for kind in KINDS} | {"register_resources", "observe"} == set(hooks())


def test_the_guide_has_the_exact_signature_of_every_hook_and_no_other() -> None:
    told = dict(re.findall(r"^def (\w+)(\(.*): \.\.\.$", GUIDE.read_text(), re.MULTILINE))
    exact = {name: str(inspect.signature(hook)).replace("'", "") for name, hook in hooks().items()}  # type: ignore[arg-type]
    assert told == exact


@pytest.mark.parametrize("name", sorted(hooks()))
def test_hook_is_implemented_and_tested_by_a_plugin_that_is_written(name: str) -> None:
    """`tests/core/authoring` installs a plugin of every kind, runs its own test and holds it to its contract."""
    words = [kind.word for kind in WRITTEN.values() if kind.hook == name]
    assert words, f"plugins new writes nothing that implements {name}"
    for word in words:
        code, test = (TEMPLATES / f"{prefix}{word}.py.jinja" for prefix in ("", "test_"))
        assert f"@blockwright.hookimpl\ndef {name}(" in code.read_text()
        assert "\ndef test_" in test.read_text()
