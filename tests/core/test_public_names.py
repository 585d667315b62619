"""The names of `import blockwright`."""

from __future__ import annotations

import importlib

import pytest

import blockwright


@pytest.mark.parametrize("name", blockwright.PUBLIC)
def test_every_public_name_is_where_the_table_says(name: str) -> None:
    assert getattr(blockwright, name) is getattr(importlib.import_module(blockwright.PUBLIC[name]), name)
    assert name in dir(blockwright)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        _ = blockwright.runn
