"""`blockwright evaluate`: what models can do, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(metavar="CHILD_OR_RUN...", help="A run (all of its models), or folders of checkpoints."),
    ],
    tasks: Annotated[
        str | None, typer.Option("--tasks", help="By commas: quick, offline, chain-sum, my-task.yaml, lm-eval:arc_easy")
    ] = None,
    modes: Annotated[str | None, typer.Option("--modes", help="Thinking modes by commas: on,off")] = None,
    questions: Annotated[int | None, typer.Option("--questions", min=1, help="Of each task.")] = None,
    answer_tokens: Annotated[int | None, typer.Option("--answer-tokens", min=1, help="The longest answer.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Sources for perplexity, by commas.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Questions answered at once.")] = 32,
    out: Annotated[Path, typer.Option("--out", help="Where results of single folders are kept.")] = Path("evaluations"),
    as_json: Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")] = False,
) -> None:
    """Asks models questions in both thinking modes and shows what is right; killed, the same command goes on."""
    with reported(debug, resumes=True):
        from blockwright.evaluating.requests import evaluate_named
        from blockwright.terminal.evaluation import comparison_summary
        from blockwright.terminal.progress import shown_progress
        from blockwright.terminal.tables import show

        lists = {"tasks": tasks, "modes": modes, "text": text}
        given: dict[str, object] = {name: value.split(",") for name, value in lists.items() if value is not None}
        numbers = {"questions": questions, "answer_tokens": answer_tokens, "batch_size": batch}
        given |= {name: number for name, number in numbers.items() if number is not None}
        with shown_progress():
            comparison = evaluate_named(models, given, out)
        show(comparison_summary(comparison), as_json)
