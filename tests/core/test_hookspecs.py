"""Every hook is documented, and every built-in kind of part has one."""

from __future__ import annotations

import inspect

import pluggy
import pytest

from blockwright import hookspecs
from blockwright.plugins.parts import KINDS


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
