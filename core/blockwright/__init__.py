"""Blockwright finds, builds and heals the model that your hardware wants.

Importing it is quick and imports neither torch nor transformers; from then on `AutoConfig` and `AutoModelForCausalLM`
load Blockwright's children. The names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from blockwright.child.auto_registration import register_with_auto_classes

if TYPE_CHECKING:  # the same names for type checkers, which cannot see through the table
    from blockwright.api import Run as Run
    from blockwright.api import open_run as open_run
    from blockwright.api import run as run
    from blockwright.costs import CostModel as CostModel
    from blockwright.costs import Scenario as Scenario
    from blockwright.errors import UserError as UserError
    from blockwright.hardware.profile import HardwareProfile as HardwareProfile
    from blockwright.outlines import outline as outline
    from blockwright.plugins import hookimpl as hookimpl

PUBLIC = {  # name -> the module that has it
    "CostModel": "blockwright.costs",
    "HardwareProfile": "blockwright.hardware.profile",
    "Run": "blockwright.api",
    "Scenario": "blockwright.costs",
    "UserError": "blockwright.errors",
    "hookimpl": "blockwright.plugins",
    "open_run": "blockwright.api",
    "outline": "blockwright.outlines",
    "run": "blockwright.api",
}


def __getattr__(name: str) -> object:
    if name not in PUBLIC:
        raise AttributeError(f"module 'blockwright' has no attribute '{name}'")
    return getattr(importlib.import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})


register_with_auto_classes()
