"""`blockwright init`, `blockwright doctor` and `blockwright schema`: a recipe to begin with, and help with it."""

from __future__ import annotations

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
