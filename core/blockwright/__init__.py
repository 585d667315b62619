"""Blockwright finds, builds and heals the model that your hardware wants.

Importing it is quick and imports neither torch nor transformers; from then on `AutoConfig` and `AutoModelForCausalLM`
load Blockwright's children. The names below are imported when they are first used.
"""

from __future__ import annotations

import importlib

from blockwright.auto_registration import register_with_auto_classes

PUBLIC = {  # name -> the module that has it
    "hookimpl": "blockwright.plugins",
}
__all__ = ["hookimpl"]


def __getattr__(name: str) -> object:
    if name not in PUBLIC:
        raise AttributeError(f"module 'blockwright' has no attribute '{name}'")
    return getattr(importlib.import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})


register_with_auto_classes()
