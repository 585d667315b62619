"""`blockwright export` and `blockwright import`: children for serving engines, and models from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported


def export(
    child: Annotated[str, typer.Argument(metavar="CHILD_OR_RUN", help="A child's folder, or a run's folder or name.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="The exporter's own options: precision=q8_0", show_default=False),
    ] = None,
    to: Annotated[str, typer.Option("--to", help="The target: hf, vllm, gguf, puzzletron or a plugin's.")] = "hf",
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write, which must not be there yet.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")] = False,
) -> None:
    """Writes a child for a serving engine and prints the command that serves it; refuses what cannot be exact."""
    with reported(debug):
        from blockwright.exporting.requests import export_named

        written, exported = export_named(child, to, options or (), out)
        typer.echo(f"Written to {written}")
        for note in exported.notes:
            typer.echo(note)
        typer.echo(exported.command)


def import_model(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A checkpoint with block_configs in its config.json.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The child's folder, which must not be there yet.")],
    debug: Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")] = False,
) -> None:
    """Takes a published Nemotron-NAS or Puzzletron checkpoint in as a child, to be looked at, healed or exported."""
    with reported(debug):
        from blockwright.importing.importing import import_child

        import_child(folder, out)
        typer.echo(f"Written to {out}")
