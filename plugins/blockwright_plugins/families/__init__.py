"""The architectures that Blockwright reads out of the box, one a file."""

from __future__ import annotations

from blockwright.parent import ModelFamily
from blockwright.plugins import hookimpl
from blockwright_plugins.families.llama import Llama
from blockwright_plugins.families.mistral import Mistral
from blockwright_plugins.families.qwen2 import Qwen2
from blockwright_plugins.families.qwen3 import Qwen3


@hookimpl
def register_model_families() -> list[type[ModelFamily]]:
    return [Llama, Mistral, Qwen2, Qwen3]
