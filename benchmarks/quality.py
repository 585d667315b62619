"""SmolLM2 at 80 % and 60 % of its parameters, no gradient training, against uniform narrowing by plain slicing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from common import peak_gib, print_table

import blockwright
from blockwright.api import Run
from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.graph.building import Outline, graph_of
from blockwright.healing.refitting import Replaced
from blockwright.models.evaluation import evaluate
from blockwright.models.stack import LayerStack
from blockwright.parent import Parent
from blockwright.plugins import installed_plugins

RECIPE = Path(__file__).with_name("quality.yaml")
SHARES = {80: (), 60: ("search.rounds=3",)}  # overrides of the recipe: a round that pays takes a minute and a half
Row = tuple[str, float, float, float, float]


def main() -> None:
    header = ("child", "params", "KL(parent‖child), nats/token", "top-1 agreement", "perplexity")
    for share, overrides in SHARES.items():
        run = blockwright.run(RECIPE, f"budget.params={share}%", *overrides)
        rows = [*_searched(run, share), *_uniform(run, share)]
        print_table(f"SmolLM2-135M at {share} %, no gradient training, text of another source", header, rows)
        _print_search(run, share)
    print(f"\nPeak memory {peak_gib():.2f} GiB.")


def _searched(run: Run, share: int) -> Iterator[Row]:
    names = {"built": "search alone", "final": "search and refit"}
    for key, name in names.items():
        measured = run.evaluation[key]
        yield (
            f"{share} %, {name}",
            run.solution.costs["params"],
            measured["kl_nats_per_token"],
            measured["top1_agreement"],
            measured["child_perplexity"],
        )


def _print_search(run: Run, share: int) -> None:
    """Rounds, seconds and what each step of healing gained, from the run's own files."""
    solved = json.loads((run.directory / "04-solve/solution.json").read_text())
    rows = [(*one.values(),) for one in solved["rounds"]]
    print_table(f"Search rounds at {share} %, KL on the search's own tokens", tuple(solved["rounds"][0]), rows)
    print_table(f"Seconds a step at {share} %", ("step", "seconds"), list(run.steps.items()))
    for path in sorted(run.directory.glob("*/stage.json")):
        stage = json.loads(path.read_text())
        print_table(
            f"{stage['stage']} at {share} %, KL on held-back tokens", ("", "KL"), list(stage["figures"].items())
        )
        print("\n" + "\n".join(f"- {note}" for note in stage["notes"]), flush=True)


def _uniform(run: Run, share: int) -> Iterator[Row]:
    """All FFNs sliced to one width, nothing else: the first channels, and the loudest ones."""
    parent, tokens = run.files.parent, run.files.tokens
    width = _width(parent, share)
    orders = {"first": [torch.arange(width)] * parent.layers, "loudest": _loudest(parent, tokens["calibration"], width)}
    for name, kept in orders.items():
        measured = evaluate(parent.stack(), sliced(parent, width, kept), tokens["evaluation"])
        params = _total(parent, width)
        yield (
            f"{share} %, uniform slicing, {name} {width} channels",
            params,
            measured.kl_nats_per_token,
            measured.top1_agreement,
            measured.child_perplexity,
        )


def _total(parent: Parent, width: int) -> float:
    """Parameters with all FFNs of one width."""
    whole = graph_of(Outline.of(parent), {}, installed_plugins().variants).params
    config = parent.config
    return whole - 3 * config.hidden_size * (config.intermediate_size - width) * parent.layers


def _width(parent: Parent, share: int) -> int:
    """The widest FFN that keeps the budget."""
    full = parent.config.intermediate_size
    per_channel = _total(parent, 1) - _total(parent, 0)
    return full - math.ceil(_total(parent, full) * (1 - share / 100) / per_channel)


def _loudest(parent: Parent, calibration: torch.Tensor, width: int) -> list[torch.Tensor]:
    """By RMS activation × norm of the down-projection column, the ranking of the Puzzle paper."""
    stack = parent.stack()
    stream, arguments, kept = stack.embed(calibration[:32]), stack.attention_arguments(calibration.shape[1]), []
    for index in range(parent.layers):
        layer = stack.layer(index)
        with torch.no_grad():
            stream = stream + layer.attend(stream, **arguments)
            features = layer.mlp.features(layer.post_attention_layernorm(stream))
            loudness = features.flatten(0, 1).square().mean(0).sqrt() * layer.mlp.down_proj.weight.norm(dim=0)
            stream = stream + layer.mlp.down_proj(features)
        kept.append(loudness.topk(width).indices.sort().values)
    return kept


def sliced(parent: Parent, width: int, kept: list[torch.Tensor]) -> LayerStack:
    """The parent with the same number of channels in every FFN, no weight changed."""
    source, tensors = parent.source(), {}
    for index, channels in enumerate(kept):
        prefix = f"model.layers.{index}.mlp."
        for name, dim in (("gate_proj", 0), ("up_proj", 0), ("down_proj", 1)):
            tensors[f"{prefix}{name}.weight"] = source.read(f"{prefix}{name}.weight").index_select(dim, channels)
    config = BlockwrightConfig(**{**parent.config.to_dict(), "intermediate_size": width})
    return LayerStack(config, Replaced(source, tensors))


if __name__ == "__main__":
    main()
