"""`blockwright bench` and `blockwright chat`: children in the engines that serve them, and in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported

Child = Annotated[str, typer.Argument(metavar="CHILD_OR_RUN", help="A child's folder, or a run's folder or name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")]


def bench(
    child: Child,
    engine: Annotated[str, typer.Option("--engine", help="torch, llama.cpp, vllm or a plugin's.")] = "torch",
    engine_path: Annotated[
        Path | None, typer.Option("--engine-path", help="Where it is installed; else BLOCKWRIGHT_ENGINES, or the path.")
    ] = None,
    prefill: Annotated[int, typer.Option("--prefill", min=1, help="Tokens of the prompt.")] = 512,
    decode: Annotated[int, typer.Option("--decode", min=1, help="Tokens to decode upon it.")] = 64,
    batch: Annotated[str, typer.Option("--batch", help="Sequences that decode at once, by commas.")] = "1,8",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often both are timed, in turn.")] = 5,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of a CPU.")] = 1,
    precision: Annotated[str | None, typer.Option("--precision", help="Of the weights: fp32, fp16, bf16, fp8.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Predicts the ratio with this profile; else with the run's own.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Also times the parts one by one and writes them into this profile.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="With --save: times all variants of its space, in its scenarios.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Times a child against its parent in an engine, in turn, beside the ratio that a profile predicts."""
    with reported(debug):
        from blockwright.benching.requests import Request, bench_named, read_settings
        from blockwright.engines import Load
        from blockwright.errors import UserError
        from blockwright.recipes.checking import read_target
        from blockwright.terminal.bench import bench_summary
        from blockwright.terminal.progress import shown_progress
        from blockwright.terminal.tables import show

        if recipe is not None and save is None:
            raise UserError("--recipe: goes with --save FILE.yaml, which gains the times of its variants")
        request = Request(
            child,
            engine,
            read_settings(engine_path, threads, precision),
            Load(prefill, decode, _batches(batch)),
            rounds,
            profile,
            save,
            read_target(recipe) if recipe else None,
        )
        with shown_progress():
            benched = bench_named(request)
        show(bench_summary(benched), as_json)
        if save is not None and not as_json:
            typer.echo(f"The profile is in {save}")


def _batches(text: str) -> tuple[int, ...]:
    from blockwright.errors import UserError

    sizes = [size.strip() for size in text.split(",")]
    if not all(size.isdigit() and int(size) > 0 for size in sizes):
        raise UserError(f"--batch: expected numbers by commas, like 1,8, got '{text}'")
    return tuple(dict.fromkeys(map(int, sizes)))
