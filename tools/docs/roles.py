"""An extension of Griffe: Sphinx's ``:class:`` in docstrings becomes a link of mkdocstrings."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|mod|meth):`([\w.]+)`")


class Roles(griffe.Extension):
    """Rewrites docstrings as they are read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"[`\1`][\1]", obj.docstring.value)
