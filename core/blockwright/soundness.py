"""Figures that are not numbers, told with the sub-block that they are of, before anything is computed from them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.variants import MODULE_NAMES, NORM_NAMES, SubBlock

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from blockwright.problem import Problem

_OF_A_LAYER = re.compile(r"model\.layers\.(\d+)\.(\w+)\.")


def is_finite(values: Tensor) -> bool:
    """Whether all are; one pass, since a sum in float64 is finite only where all that it adds up are."""
    import torch

    values = values.float() if values.element_size() == 1 else values  # 8-bit floats have no sums
    return math.isfinite(float(values.sum(dtype=torch.float64)))


def refuse_weights(name: str, weights: Tensor, file: Path) -> None:
    """UserError naming the sub-block of a tensor of a checkpoint that holds NaN or infinite values."""
    if weights.is_floating_point() and not is_finite(weights):
        raise UserError(
            f"{part_of(name)} has weights that are NaN or infinite ({name} in {file}); get the file again, or lower "
            "the learning rate of the stage that wrote it"
        )


def refuse_activations(what: str, where: object, *values: Tensor) -> None:
    """UserError naming where `what` ceases to be finite."""
    if not all(map(is_finite, values)):
        raise UserError(
            f"{where}: its {what} on the text are NaN or infinite, though its weights are not, so the model overflows "
            "there; take another parent, or leave out the variant or stage that has made it so"
        )


def refuse_scores(sub_block: object, scores: Mapping[str, float], scorer: str) -> None:
    """UserError naming the variant whose score is no number, before it is stored."""
    for label, score in scores.items():
        if not math.isfinite(score):
            raise UserError(
                f"scorer.name: '{scorer}' gives {sub_block} {label} a score of {score}; take another scorer, or leave "
                "that variant out of the space"
            )


def refuse_costs(part: str, costs: Mapping[str, float], cost_model: str) -> None:
    """UserError naming the variant, or the fixed part, and the resource whose cost is no number."""
    for resource, cost in costs.items():
        if not math.isfinite(cost):
            raise UserError(
                f"hardware: the cost model '{cost_model}' gives {part} {resource} of {cost}; take another profile, or "
                "leave that variant out of the space"
            )


def refuse_problem(problem: Problem) -> None:
    """UserError naming the sub-block, variant or join whose score or cost is no number: no solver sees one."""
    for name, choices in problem.choices.items():
        for choice in choices:
            _refuse(f"{name} {choice.variant}", {"score": choice.score, **choice.costs})
    for join in problem.joins:
        _refuse(f"the join of {join.left} and {join.right}", {"score": join.score, **join.costs})


def _refuse(what: str, figures: Mapping[str, float]) -> None:
    for figure, value in figures.items():
        if not math.isfinite(value):
            raise UserError(
                f"search: {what} has a {figure} of {value}, which no solver can weigh; leave it out of the space, or "
                "take another scorer or profile"
            )


def part_of(tensor: str) -> str:
    """`ffn.3` of `model.layers.3.mlp.up_proj.weight`, its norm included; the tensor itself where it is of no layer."""
    found = _OF_A_LAYER.match(tensor)
    slots = {module: slot for names in (MODULE_NAMES, NORM_NAMES) for slot, module in names.items()}
    if found is None or found[2] not in slots:
        return tensor
    return str(SubBlock(int(found[1]), slots[found[2]]))
