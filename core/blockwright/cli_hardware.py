"""`blockwright hardware`: what machines are known, and a profile of this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported

app = typer.Typer(help="Lists, shows and measures hardware profiles.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")]


@app.command(name="list")
def list_profiles(as_json: AsJson = False, debug: Debug = False) -> None:
    """Lists the bundled profiles and those of plugins."""
    with reported(debug):
        from blockwright.terminal.hardware import list_summary
        from blockwright.terminal.tables import show

        show(list_summary(), as_json)


@app.command(name="show")
def show_profile(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A profile's name, or its YAML file.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Shows one profile: peaks, calibrated efficiencies, measured tables, origin."""
    with reported(debug):
        from blockwright.hardware.profile import HardwareProfile
        from blockwright.terminal.hardware import profile_summary
        from blockwright.terminal.tables import show

        show(profile_summary(HardwareProfile.load(name)), as_json)


@app.command()
def measure(
    out: Annotated[
        Path, typer.Option("--out", help="The profile to write; one that is there gains the recipe's times.")
    ],
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:1.")] = "cpu",
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Times the variants of its space on its parent, in its scenarios.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="About how long each part of the measuring takes.")] = 120,
    engine: Annotated[
        str | None, typer.Option("--engine", help="Times the recipe's variants in torch, llama.cpp or vllm.")
    ] = None,
    engine_path: Annotated[Path | None, typer.Option("--engine-path", help="Where that engine is installed.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of a CPU, for --engine.")] = 1,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often --engine times each model.")] = 5,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measures this machine and writes a profile; with a recipe also its variants, checked on whole models."""
    with reported(debug):
        from blockwright.measuring.recording import record
        from blockwright.recipes.checking import read_target
        from blockwright.terminal.hardware import recorded_summary
        from blockwright.terminal.progress import shown_progress
        from blockwright.terminal.tables import show

        target = read_target(recipe) if recipe else None
        with shown_progress():
            if engine is None:
                recorded = record(out, device, seconds, target)
            else:
                from blockwright.benching.requests import Installed, record_named

                recorded = record_named(out, engine, Installed(engine_path, threads, rounds), target)
        show(recorded_summary(recorded), as_json)
