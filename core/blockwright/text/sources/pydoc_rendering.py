"""A script of its own: prints the documentation of the modules that its arguments name, as a JSON list of texts."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pydoc
import re
import sys
import warnings
from collections.abc import Iterator

# Values and places of this machine: environment variables, paths, addresses of objects.
SECTIONS_OF_THE_MACHINE = ("DATA", "FILE", "MODULE REFERENCE", "CREDITS")
VALUE = re.compile(r"^[ |]*\w+ = .*\n", re.MULTILINE)
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
ENVIRONMENT = re.compile(r"environ\(\{[^}]*\}\)")
INHERITED = re.compile(r"^ +\|  \w.* inherited from ")  # the same text under every class
RULE = re.compile(r"^ +\|  -{20,}$")


plain = pydoc.plaintext  # type: ignore[attr-defined]  # typeshed leaves it out


def rendered(name: str) -> str:
    """A module's documentation in plain text; empty when this machine cannot import it."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return without_the_machine(plain.document(importlib.import_module(name)))
    except (Exception, SystemExit):  # modules of other systems fail in ways of their own
        return ""


def without_the_machine(text: str) -> str:
    sections = re.split(r"^(?=[A-Z])", text, flags=re.MULTILINE)
    kept = "".join(section for section in sections if section.partition("\n")[0] not in SECTIONS_OF_THE_MACHINE)
    general = ENVIRONMENT.sub("os.environ", ADDRESS.sub("", VALUE.sub("", kept))).replace(sys.executable, "python")
    return "\n".join(own_lines(general.splitlines()))


def own_lines(lines: list[str]) -> Iterator[str]:
    """Without what a class inherits, which stands in full under its base."""
    inherited = False
    for line in lines:
        if RULE.match(line) or not line.lstrip().startswith("|"):
            inherited = False
        if INHERITED.match(line):
            inherited = True
        if not inherited and not RULE.match(line):
            yield line


if __name__ == "__main__":
    texts = [rendered(name) for name in sys.argv[1:]]
    sys.stdout.write(json.dumps([text for text in texts if text]))
