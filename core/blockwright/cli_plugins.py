"""`blockwright plugins`: what is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported

app = typer.Typer(invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")]


@app.callback()
def plugins(context: typer.Context, as_json: AsJson = False, debug: Debug = False) -> None:
    """Lists what is installed: each plugin, the package that brings it, its hooks, and why it is broken where it is."""
    if context.invoked_subcommand is not None:
        return
    with reported(debug):
        from blockwright.plugins import installed_plugins
        from blockwright.terminal.plugins import plugins_summary
        from blockwright.terminal.tables import show

        show(plugins_summary(installed_plugins()), as_json)
