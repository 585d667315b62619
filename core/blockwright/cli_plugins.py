"""`blockwright plugins`: what is installed, and whether it keeps its contracts."""

from __future__ import annotations

from pathlib import Path
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


@app.command()
def check(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A plugin, or a part that one brings; all by default.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Holds plugins to the contracts of their kinds, rule by rule, on tiny models; ends with 1 where one is broken."""
    with reported(debug):
        from blockwright.contracts.checking import check_plugin
        from blockwright.plugins import installed_plugins
        from blockwright.terminal.plugins import shown_outcomes

        plugins = installed_plugins()
        chosen = plugins.find(name) if name else plugins.table
        outcomes = (outcome for plugin in chosen for outcome in check_plugin(plugin))
        broken = shown_outcomes(outcomes, as_json)
    if broken:
        raise typer.Exit(1)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The package's name: small letters and hyphens.")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="variant, family, scorer, cost-model, solver, transform, stage, reward, exporter, engine, resources "
            "or observer.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Its folder, which must not be there yet; NAME here.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Writes a plugin that works: a package with code, test, pyproject and README, to be changed into your own."""
    with reported(debug):
        from blockwright.authoring.writing import write_plugin

        folder = out or Path(name)
        for file in write_plugin(name, kind, folder):
            typer.echo(f"wrote {file}")
        typer.echo(f"Next: pip install -e {folder} && pytest {folder} && blockwright plugins check {name}")
