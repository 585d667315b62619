"""The rule of the floors: the engine knows no plugin, and values know nothing that runs a model."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "core" / "blockwright"
VALUES = (
    "graph.block_graph",
    "spaces.space",
    "problem",
    "variants",
    "costs",
    "hardware.profile",
    "hardware.operations",
    "precision",
    "errors",
    "events",
    "resources",
    "hookspecs",
)
HEAVY = ("torch", "transformers", "safetensors", "accelerate")


def imported_names(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def imported_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


def test_the_engine_never_imports_a_built_in_plugin() -> None:
    offenders = [
        file.name
        for file in CORE.rglob("*.py")
        if any(name.split(".")[0] == "blockwright_plugins" for name in imported_names(file))
    ]
    assert offenders == []


@pytest.mark.parametrize("module", VALUES)
def test_a_value_type_imports_nothing_that_runs_a_model(module: str) -> None:
    assert imported_by(f"import blockwright.{module}") & set(HEAVY) == set()


def test_importing_blockwright_imports_no_torch() -> None:
    assert imported_by("import blockwright") & set(HEAVY) == set()


def test_the_command_line_imports_no_torch() -> None:
    assert imported_by("import blockwright.cli") & set(HEAVY) == set()
