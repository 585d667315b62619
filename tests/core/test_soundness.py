"""NaN and infinities: told with the sub-block that they are of, before anything is computed from them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from blockwright.api import Run, run
from blockwright.costs import BlockCost, Scenario
from blockwright.costs.parts import PlacedVariant
from blockwright.errors import UserError
from blockwright.problem import Choice, Join, Problem
from blockwright.running.files import COSTS, LIBRARY, SCORES
from blockwright.running.steps.scoring_the_library import ScoreStep
from blockwright.scoring import ScoreContext, Scorer, ScorerOptions, Scores
from blockwright.searching.pricing import MAIN, price
from blockwright.searching.problem_making import Rules, make_problem
from blockwright.soundness import is_finite, part_of, refuse_problem
from blockwright.variants import SubBlock
from blockwright_plugins.costs.weights import WeightCosts

ATTENTION, FFN = "model.layers.1.self_attn.o_proj.weight", "model.layers.2.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(make_recipe(tmp_path_factory.mktemp("sound")), "stages=[]")


@pytest.fixture
def damaged_parent(parent_folder: Path, tmp_path: Path) -> Callable[[str, float], Path]:
    """A copy of the parent with one value of one tensor replaced, or all of them multiplied where `times` says so."""

    def make(tensor: str, value: float = math.nan, times: float = 1.0) -> Path:
        folder = Path(shutil.copytree(parent_folder, tmp_path / "parent"))
        weights = load_file(folder / "model.safetensors")
        weights[tensor] *= times
        if times == 1.0:
            weights[tensor].view(-1)[3] = value
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return make


@pytest.mark.parametrize(
    ("tensor", "named"),
    [
        (ATTENTION, "attention.1 has weights"),
        (FFN, "ffn.2 has weights"),
        ("model.layers.3.post_attention_layernorm.weight", "ffn.3 has weights"),
        ("model.embed_tokens.weight", "model.embed_tokens.weight has weights"),
    ],
)
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_weight_that_is_no_number_is_told_with_its_sub_block(
    tensor: str, named: str, value: float, damaged_parent: Callable[..., Path], recipe: Path
) -> None:
    folder = damaged_parent(tensor, value)
    with pytest.raises(UserError, match=rf"{named} that are NaN or infinite \({tensor} in .*model\.safetensors\)"):
        run(recipe, f"parent.model={folder}")
    assert not list((recipe.parent / "runs" / "tiny" / LIBRARY).glob("*.*.safetensors"))


def test_activations_that_overflow_are_told_with_their_layer(damaged_parent: Callable[..., Path], recipe: Path) -> None:
    folder = damaged_parent("model.layers.2.mlp.down_proj.weight", times=1e38)
    with pytest.raises(UserError, match=r"layer 2: its activations on the text are NaN or infinite"):
        run(recipe, f"parent.model={folder}")


def test_a_score_that_is_no_number_is_never_stored(finished: Run, tmp_path: Path) -> None:
    class NoNumbers(Scorer):
        name = "no-numbers"

        def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
            for sub_block in context.library.sub_blocks():
                bad = str(sub_block) == "ffn.1"
                yield sub_block, {spec.label: math.nan if bad else 0.0 for spec in context.library.variants(sub_block)}

    step = ScoreStep(SCORES, "key", NoNumbers(ScorerOptions()), 0)
    with pytest.raises(UserError, match=r"scorer\.name: 'no-numbers' gives ffn\.1 keep a score of nan"):
        step.run(finished.files, tmp_path)
    assert (tmp_path / "parts" / "attention.1.json").exists()
    assert not (tmp_path / "parts" / "ffn.1.json").exists()
    assert not (tmp_path / "scores.json").exists()


def test_a_cost_that_is_no_number_is_told_with_its_variant(finished: Run) -> None:
    class Endless(WeightCosts):
        name = "endless"

        def block(self, part: PlacedVariant, scenario: Scenario) -> BlockCost:  # type: ignore[override]
            cost = super().block(part, scenario)
            return replace(cost, weight_bytes=math.inf) if part.spec.kind == "narrow" else cost

    files, scenario = finished.files, finished.files.prices().main.scenario
    with pytest.raises(UserError, match=r"cost model 'endless' gives ffn\.0 narrow=24 memory of inf"):
        price(files.parent, files.space(), files.variants, Endless(None), {MAIN: scenario})
    assert (finished.directory / COSTS / "costs.json").exists()


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_no_problem_is_made_of_a_score_that_is_no_number(score: float, finished: Run) -> None:
    files = finished.files
    scores = {name: dict(of_variants) for name, of_variants in files.scores().items()}
    scores["attention.2"]["skip"] = score
    with pytest.raises(UserError, match=rf"search: attention\.2 skip has a score of {score}"):
        make_problem(scores, files.prices(), Rules(files.limits()))


def test_joins_are_held_to_the_same() -> None:
    choices = {name: (Choice("keep", 0.0, {"params": 1.0}),) for name in ("ffn.0", "ffn.1")}
    join = Join("ffn.0", "ffn.1", {}, math.nan, {})
    with pytest.raises(UserError, match=r"search: the join of ffn\.0 and ffn\.1 has a score of nan"):
        refuse_problem(Problem(choices, {"params": 2.0}, joins=(join,)))


def test_sums_that_float32_cannot_hold_are_still_finite() -> None:
    assert is_finite(torch.full((8,), 3e38))
    assert is_finite(torch.full((8,), 6e4, dtype=torch.float16))
    assert not is_finite(torch.tensor([math.inf, -math.inf]))
    assert not is_finite(torch.tensor([1.0, math.nan], dtype=torch.bfloat16))


def test_tensors_are_told_by_the_sub_block_that_they_are_part_of() -> None:
    assert part_of("model.layers.11.input_layernorm.weight") == "attention.11"
    assert part_of("lm_head.weight") == "lm_head.weight"
