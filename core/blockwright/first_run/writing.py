"""A commented recipe to begin with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from blockwright.errors import UserError
from blockwright.files import write_atomically
from blockwright.recipes.checking import check_recipe

_TEXT = """\
# A recipe of Blockwright. `blockwright check {file}` tells what it will do, `blockwright run {file}` does it.
# For completion in editors: blockwright schema > recipe.schema.json
# yaml-language-server: $schema=recipe.schema.json
name: {name}
parent:
  model: {model}  # a folder, owner/name on the hub, or package:NAME{gguf}
space: {space}  # which variants each layer may take: puzzle, puzzle-small, twelfths, or a file
text:
  calibration: ["pydoc:modules"]  # what the library is fitted to; better: text like that which the child will see
  evaluation: ["pydoc:topics"]  # what the child is judged by; never trained on
  calibration_tokens: 49152  # more is better, and takes longer
  heldback_tokens: 6144
  evaluation_tokens: 6144
{hardware}scenario: {{batch: 1, input_tokens: 1024, output_tokens: 256}}  # how the child will be used
budget:  # limits on the whole child, absolute or relative to the parent
  {key}: {limit}
search:
  children: 2  # how many optima are built and judged
  rounds: 1  # how often variants are scored again around the best child; more is better
stages:
  - refit: {{tokens: 32768}}  # solves output projections again; `distill` and others go further
seed: 0
"""


@dataclass(frozen=True)
class Answers:
    """What a recipe is made for. `budget` is `key=limit`, like `params=80%` or `tokens_per_s=1.5x`."""

    parent: str
    budget: str = "params=80%"
    hardware: str | None = None
    gguf_file: str | None = None
    space: str = "puzzle"


def write_recipe(path: Path, answers: Answers, force: bool = False) -> None:
    """Writes a recipe that has no mistakes; UserError where it would, or where the file is there without `force`."""
    if path.exists() and not force:
        raise UserError(f"{path}: is there already; give another path, or --force to replace it")
    key, equals, limit = answers.budget.partition("=")
    if not equals or not key or not limit:
        raise UserError(f"--budget: expected KEY=LIMIT like params=80%, got '{answers.budget}'")
    with write_atomically(path) as beside:
        beside.write_text(_filled(path, answers, key, limit))
        try:
            check_recipe(beside)
        except UserError as error:
            raise UserError(*(line.replace(f"{beside}:", f"{path} (not written):") for line in error.lines)) from None


def _filled(path: Path, answers: Answers, key: str, limit: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "recipe"
    gguf = "" if answers.gguf_file is None else f"\n  gguf_file: {_quoted(answers.gguf_file)}"
    machine = "# hardware: h100-sxm  # `blockwright hardware list`; budgets on times need it\n"
    if answers.hardware is not None:
        machine = f"hardware: {_quoted(answers.hardware)}  # a profile's name, or its file beside this recipe\n"
    return _TEXT.format(
        file=path, name=name, model=_quoted(answers.parent), gguf=gguf, space=_quoted(answers.space),
        hardware=machine, key=key, limit=_quoted(limit),
    )  # fmt: skip


def _quoted(value: str) -> str:
    """As YAML writes it on one line."""
    return str(yaml.safe_dump(value, width=10**6)).removesuffix("\n").removesuffix("...").strip()
