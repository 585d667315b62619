"""`blockwright bench` and `blockwright chat`: children in the engines that serve them, and in the terminal."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported

Child = Annotated[str, typer.Argument(metavar="CHILD_OR_RUN", help="A child's folder, or a run's folder or name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")]


class Thinking(Enum):
    """The words of --think."""

    on = "on"
    off = "off"


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


def chat(
    child: Child,
    think: Annotated[
        Thinking | None, typer.Option("--think", help="Asks for a think block, or for none; else as the child likes.")
    ] = None,
    system: Annotated[str, typer.Option("--system", help="What the child is told before the conversation.")] = "",
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="Answers this and ends; so does text on standard input.")
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", help="chatml or a Jinja file, where the tokenizer has none.")
    ] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Of a reply.")] = 1024,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, help="0 is greedy; else 0.6 with --think on, 0 without.")
    ] = None,
    top_p: Annotated[float, typer.Option("--top-p", min=0, max=1, help="Of the likeliest tokens.")] = 0.95,
    seed: Annotated[int, typer.Option("--seed", help="Of what is sampled.")] = 0,
    debug: Debug = False,
) -> None:
    """Talks with a child: replies as they are written; Ctrl-C stops one, Ctrl-D ends."""
    with reported(debug):
        import sys

        from rich.console import Console

        from blockwright.chatting.conversation import ChatSettings, Conversation
        from blockwright.exporting.requests import find_child
        from blockwright.post_training.thinking import MODES
        from blockwright.terminal.chat import keyboard, talk, write_reply

        mode = None if think is None else MODES[think is Thinking.off]
        settings = ChatSettings(mode, system, template, max_tokens, temperature, top_p, seed)
        conversation = Conversation(find_child(child)[0], settings)
        console = Console(highlight=False)
        if prompt is None and sys.stdin.isatty():
            talk(conversation, console, keyboard(console))
        else:
            write_reply(conversation, sys.stdin.read().strip() if prompt is None else prompt, console)


def _batches(text: str) -> tuple[int, ...]:
    from blockwright.errors import UserError

    sizes = [size.strip() for size in text.split(",")]
    if not all(size.isdigit() and int(size) > 0 for size in sizes):
        raise UserError(f"--batch: expected numbers by commas, like 1,8, got '{text}'")
    return tuple(dict.fromkeys(map(int, sizes)))
