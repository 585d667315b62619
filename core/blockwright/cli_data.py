"""`blockwright generate-data`: training text from the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockwright.terminal.outcomes import reported


def generate_data(
    model: Annotated[
        str, typer.Argument(metavar="RECIPE_OR_MODEL", help="A recipe (its parent), a model's folder, or a hub id.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The .jsonl file to write, a source of text for recipes.")],
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="How many tokens to sample in all.")],
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    prompts: Annotated[
        str | None, typer.Option("--prompts", help="A file or source: texts are continued, messages answered.")
    ] = None,
    prompt_tokens: Annotated[
        int, typer.Option("--prompt-tokens", min=1, help="How much of a text to go on from.")
    ] = 64,
    length: Annotated[int, typer.Option("--length", min=1, help="The most tokens of one document.")] = 512,
    temperature: Annotated[float, typer.Option("--temperature", min=1e-3)] = 1.0,
    top_p: Annotated[float, typer.Option("--top-p", min=1e-3, max=1.0)] = 1.0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Documents sampled together.")] = 16,
    debug: Annotated[bool, typer.Option("--debug", help="Shows the traceback of a crash.")] = False,
) -> None:
    """Samples text from a model, for those who have none to train on; killed, the same command goes on."""
    with reported(debug, resumes=True):
        from blockwright.running.named_models import model_folder
        from blockwright.terminal.progress import shown_progress
        from blockwright.text.generating.generating import generate_data as generate
        from blockwright.text.generating.settings import SamplingSettings

        settings = SamplingSettings(
            tokens=tokens, seed=seed, prompts=prompts, prompt_tokens=prompt_tokens, length=length,
            temperature=temperature, top_p=top_p, batch=batch,
        )  # fmt: skip
        with shown_progress():
            folder = model_folder(model, out.with_name(f"{out.name}.parent"))
            made = generate(model, folder, out, settings)
        typer.echo(f"{made.documents} documents with {made.tokens} sampled tokens are in {out}")
