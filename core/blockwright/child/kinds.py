"""The module classes of plugins' variants, for kinds that the child's own class does not know."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from blockwright.variants import BlockVariant, Slot


def register_kinds(variants: Iterable[BlockVariant]) -> None:
    """Lets the child's class use these variants' modules, for as long as this process runs."""
    from blockwright.child.modeling_blockwright import ATTENTION_KINDS, MLP_KINDS

    for variant in variants:
        if variant.module is not None:
            kinds = ATTENTION_KINDS if variant.slot == "attention" else MLP_KINDS
            kinds[variant.kind] = module_class(variant)


def module_class(variant: BlockVariant) -> type[nn.Module]:
    """The class that `BlockVariant.module` names; its file is looked for beside the variant's own."""
    assert variant.module is not None
    file, name = variant.module
    path = Path(inspect.getfile(type(variant))).parent / file
    found: type[nn.Module] = getattr(_load(path, f"blockwright_variant_{variant.slot}_{variant.kind}"), name)
    return found


@cache
def _load(path: Path, name: str) -> object:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where inspect and pickle look for it
    spec.loader.exec_module(module)
    return module


def installed_class(slot: Slot, kind: str) -> type[nn.Module] | None:
    """The module class of an installed plugin's variant, or None when no plugin brings that kind."""
    from blockwright.plugins import installed_plugins

    variant = installed_plugins().variants.get((slot, kind))
    return None if variant is None or variant.module is None else module_class(variant)
