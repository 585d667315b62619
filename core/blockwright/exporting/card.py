"""The model card: README.md beside the weights, and the picture that it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.exporters import ExportContext, Exported
from blockwright.exporting.architecture import parameters, strip_of_config
from blockwright.exporting.origin import Origin
from blockwright.terminal.tables import as_count

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.pictures.strip import Strip

PICTURE = "architecture.svg"


def write_card(
    context: ExportContext, config: BlockwrightConfig, origin: Origin, target: str, exported: Exported
) -> None:
    """README.md with the command that serves it, the layers, costs, quality and origin; equal facts, equal bytes."""
    strip = strip_of_config(config)
    (context.directory / PICTURE).write_text(picture(strip))
    parts = [
        *_front_matter(origin, target),
        f"# {origin.name}",
        "",
        _first_sentence(config, origin),
        "",
        *_serving(target, exported, context.destination),
        *_layers(strip),
        *_costs(origin),
        *_quality(origin),
        *_origin(origin),
    ]
    (context.directory / "README.md").write_text("\n".join(parts).rstrip() + "\n")


def picture(strip: Strip) -> str:
    """The strip as an SVG file of its own, on white, since a file has no page whose text colour it could take."""
    from blockwright.pictures.svg import strip_html

    match = re.search(r"<svg.*</svg>", strip_html(strip), re.S)
    assert match is not None
    own_style = 'class="bw-strip" style="background:white;color:#222"'  # the class that the drawing's styles are for
    return match[0].replace('style="max-width:100%;height:auto"', own_style) + "\n"


def _front_matter(origin: Origin, target: str) -> Iterator[str]:
    yield "---"
    if origin.licence:
        yield f"license: {origin.licence.lower()}"
    if "/" in origin.parent:
        yield f"base_model: {origin.parent}"
    yield from ("pipeline_tag: text-generation", "tags:", "- blockwright", f"- {target}", "---", "")


def _first_sentence(config: BlockwrightConfig, origin: Origin) -> str:
    parent = f" of {origin.parent}" if origin.parent else ""
    return (
        f"A child{parent}, searched and built by Blockwright {origin.blockwright}".rstrip()
        + f": {as_count(parameters(config))} parameters in {config.num_hidden_layers} layers, each with what it needs."
    )


def _serving(target: str, exported: Exported, destination: Path) -> Iterator[str]:
    command = exported.command.replace(str(destination), ".")
    yield from (f"## Serving it ({target})", "", "From this folder:", "", "```sh", command, "```", "")
    yield from _bullets(exported.notes)


def _layers(strip: Strip) -> Iterator[str]:
    from blockwright.pictures.terminal import draw_strip

    yield from ("## Layers", "", f"![{strip.summary}]({PICTURE})", "")
    yield from ("```", draw_strip(strip).plain.rstrip(), "```", "")


def _costs(origin: Origin) -> Iterator[str]:
    if origin.costs:
        rows = [(cost.resource, cost.child, cost.parent, cost.share, cost.budget) for cost in origin.costs]
        yield from ("## What it takes", "")
        yield from _table(("resource", "child", "parent", "share", "budget"), rows)


def _quality(origin: Origin) -> Iterator[str]:
    if origin.evaluation:
        tokens = int(origin.evaluation["tokens"])
        yield from ("## What it kept", "", f"On {tokens:,} tokens that neither search nor healing has seen:", "")
        measures = {name: value for name, value in origin.evaluation.items() if name != "tokens"}
        rows = [(name.replace("_", " "), f"{value:.4g}") for name, value in measures.items()]
        yield from _table(("measure", "value"), rows)


def _origin(origin: Origin) -> Iterator[str]:
    facts = {
        "Parent": " at revision ".join(part for part in (origin.parent, origin.revision) if part),
        "Licence of the parent": origin.licence or (origin.parent and "not known here; look at the parent's own page"),
        "Healed by": ", ".join(origin.stages),
        "Learnt from": ", ".join(origin.texts),
    }
    yield from ("## Where it comes from", "")
    yield from _bullets([f"{name}: {fact}" for name, fact in facts.items() if fact])
    yield "Weights are stored as safetensors or GGUF only; nothing here is pickled."


def _bullets(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from (*(f"- {line}" for line in lines), "")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (columns, ["---"] * len(columns), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""
