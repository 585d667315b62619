"""`blockwright init`, `blockwright doctor` and `blockwright schema`: a recipe to begin with, and help with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported

Debug = Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")]


def schema(debug: Debug = False) -> None:
    """Prints the recipe's JSON Schema, with the options of all plugins installed here, for editors to complete with."""
    with reported(debug):
        import json

        from blockwright.plugins import installed_plugins
        from blockwright.recipes.schema import recipe_schema

        typer.echo(json.dumps(recipe_schema(installed_plugins()), indent=1))


def doctor(
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE]", help="Also says what it would need.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")] = False,
    debug: Debug = False,
) -> None:
    """Says what this machine has and what a recipe would need, with what to type; ends with 1 where that is lacking."""
    with reported(debug):
        from blockwright.first_run.machine import findings
        from blockwright.first_run.needs import needs_of
        from blockwright.plugins import installed_plugins
        from blockwright.terminal.first_run import doctor_summary
        from blockwright.terminal.tables import show

        needs = needs_of(recipe) if recipe else []
        show(doctor_summary(list(findings(installed_plugins())), needs), as_json)
    if not all(need.fits for need in needs):
        raise typer.Exit(1)


def init(
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="The recipe to write.")] = Path("recipe.yaml"),
    parent: Annotated[
        str | None, typer.Option("--parent", help="A folder, owner/name on the hub, or package:NAME.")
    ] = None,
    hardware: Annotated[
        str | None, typer.Option("--hardware", help="A profile, see `blockwright hardware list`.")
    ] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="KEY=LIMIT: params=80%, tokens_per_s=1.5x.")] = None,
    gguf_file: Annotated[
        str | None, typer.Option("--gguf-file", help="The parent's weights, where they are GGUF.")
    ] = None,
    space: Annotated[str, typer.Option("--space", help="The search space.")] = "puzzle",
    yes: Annotated[bool, typer.Option("--yes", help="Asks nothing; needs --parent.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replaces a file that is there.")] = False,
    debug: Debug = False,
) -> None:
    """Writes a commented recipe that passes `check`, after asking for parent, hardware and budget."""
    with reported(debug):
        import sys

        from blockwright.errors import UserError
        from blockwright.first_run.writing import Answers, write_recipe

        if not yes and sys.stdin.isatty():
            parent = parent or typer.prompt("Parent (a folder, owner/name on the hub, or package:NAME)")
            hardware = hardware or typer.prompt(
                "Hardware (see `blockwright hardware list`; empty for none)", default=""
            )
            budget = budget or typer.prompt("Budget (like params=80%, or tokens_per_s=1.5x)", default="params=80%")
        if not parent:
            raise UserError("--parent: is missing; give a folder, owner/name on the hub, or package:NAME")
        write_recipe(path, Answers(parent, budget or "params=80%", hardware or None, gguf_file, space), force)
        typer.echo(f"Written to {path}. Next: blockwright doctor {path}, then blockwright run {path}")
