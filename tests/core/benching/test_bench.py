"""Children timed against their parents in torch, for real, and what cost models say beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from blockwright.benching.bench import PARAMETERS, Speeds
from blockwright.benching.choosing import loads_of, parts_of_child, runnable
from blockwright.benching.models import RandomWeights, write_random
from blockwright.benching.parts import BARE, HALF, KEPT, part_times, probes_of
from blockwright.benching.requests import Request, bench_named, make_engine, read_settings
from blockwright.benching.rounds import Workbench
from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.cli import app
from blockwright.costs import Scenario
from blockwright.engines import Engine, EngineSettings, Load, Pace
from blockwright.errors import UserError
from blockwright.hardware.profile import HardwareProfile
from blockwright.plugins import installed_plugins
from blockwright.recipes.checking import check_recipe

SMALL = Load(prefill=8, decode=2, batches=(1, 3))


class Counted(Engine):
    """Knows how long each model takes, and in which order it was asked."""

    name = "counted"
    precisions = {"fp32": ()}  # noqa: RUF012
    at_once = 2

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def version(self) -> str:
        return "counted 1"

    @contextmanager
    def open(self, model: Path, load: Load) -> Iterator[Callable[[], Pace]]:
        def run() -> Pace:
            self.asked.append(model.name)
            return Pace(1.0, dict.fromkeys(load.batches, 2.0))

        yield run


def test_models_are_timed_in_turn_as_many_as_may_be_open(tmp_path: Path) -> None:
    engine = Counted()
    models = {name: tmp_path / name for name in "ABC"}
    paces = Workbench(engine, tmp_path, 3).timed(models, SMALL)
    assert "".join(engine.asked) == "ABABABCCC"
    assert {name: len(found) for name, found in paces.items()} == {"A": 3, "B": 3, "C": 3}


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    slow = [Pace(ms, {1: 10.0, 3: 20.0}) for ms in (4.0, 8.0, 40.0)]
    fast = [Pace(ms, {1: 5.0, 3: 5.0}) for ms in (2.0, 4.0, 10.0)]
    told: dict[str, dict[int | None, float]] = {"x": {None: 2.0, 1: 2.2, 3: 4.0}}
    prefill, alone, three = Speeds(slow, fast).compared(SMALL, Counted(), told)
    assert (prefill.ratio, prefill.ratios) == (2.0, (2.0, 2.0, 4.0))
    assert (prefill.parent_tokens_per_s, prefill.child_tokens_per_s) == (1000.0, 2000.0)
    assert (alone.parent_tokens_per_s, three.parent_tokens_per_s) == (100.0, 150.0)
    assert [(row.phase, row.batch) for row in (prefill, alone, three)] == [("prefill", 1), ("decode", 1), ("decode", 3)]
    assert alone.error("x") == pytest.approx(0.1)


def test_times_of_parts_are_found_again_in_whole_models(child_config: BlockwrightConfig) -> None:
    parts = parts_of_child(child_config)
    probes = probes_of(parts, 6)
    true = {part.spec: 0.5 + 0.25 * number for number, part in enumerate(parts)}
    rest = 7.0
    times = {
        name: rest + sum(true[part.spec] for layer in layers for part in layer)
        for name, layers in probes.models.items()
    }
    found = part_times(probes, times)
    assert found.pop(None) == pytest.approx(rest)
    assert found == pytest.approx({spec: ms for spec, ms in true.items() if spec.kind != "skip"})


def test_every_probe_begins_with_an_attention_and_differs_in_one_variant(child_config: BlockwrightConfig) -> None:
    probes = probes_of(parts_of_child(child_config), 6)
    labels = {name: {part.spec.label for layer in layers for part in layer} for name, layers in probes.models.items()}
    assert labels.pop(KEPT) == labels.pop(HALF) == labels.pop(BARE) == {"keep"}
    assert labels == {"attention kv_heads=1": {"keep", "kv_heads=1"}, "ffn narrow=16": {"keep", "narrow=16"}}
    assert all(layers[0][0].spec.slot == "attention" for layers in probes.models.values())


def test_random_weights_are_those_that_the_config_asks_for(child_config: BlockwrightConfig, tmp_path: Path) -> None:
    from blockwright.child.checkpoint import open_child, planned_tensors

    stack = open_child(write_random(tmp_path / "made", child_config, "bf16"))
    assert set(stack.source.names()) == {tensor.name for tensor in planned_tensors(child_config)}
    assert stack.source.read("model.layers.0.mlp.up_proj.weight").dtype.itemsize == 2
    weights = RandomWeights(child_config)
    name = "model.layers.2.self_attn.k_proj.weight"
    assert weights.read(name).equal(weights.read(name))
    assert not weights.read(name).equal(weights.read(name.replace("k_proj", "v_proj")))


def test_a_child_is_benched_in_torch_and_its_parts_become_a_profile(child_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "here.yaml"
    benched = bench_named(Request(str(child_folder), "torch", load=SMALL, rounds=2, save=file))
    assert [len(row.ratios) for row in benched.rows] == [2, 2, 2]
    assert all(row.parent_tokens_per_s > 0 and row.child_tokens_per_s > 0 for row in benched.rows)
    assert set(benched.rows[0].predicted) == {PARAMETERS, "measured, here"}
    assert benched.rows[0].predicted[PARAMETERS] > 1
    profile = HardwareProfile.read(file)
    assert profile.source == "blockwright bench --engine torch --threads 1"
    parts = {timed.part.partition(" of")[0] for timed in profile.timings}
    assert parts == {"attention keep", "attention kv_heads=1", "ffn keep", "ffn narrow=16", "rest"}
    steps = {(timed.phase, timed.sequences, timed.tokens) for timed in profile.timings}
    assert steps == {("prefill", 1, 8), ("decode", 1, 1), ("decode", 3, 1)}


def test_a_saved_profile_predicts_the_next_bench_and_gains_more(child_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "here.yaml"
    bench_named(Request(str(child_folder), "torch", load=SMALL, rounds=1, save=file))
    before = HardwareProfile.read(file)
    benched = bench_named(Request(str(child_folder), "torch", load=SMALL, rounds=1, profile=str(file)))
    assert set(benched.rows[0].predicted) == {PARAMETERS, "measured, here", "roofline, here"}
    more = Load(prefill=12, decode=2, batches=(1,))
    bench_named(Request(str(child_folder), "torch", load=more, rounds=1, save=file))
    after = HardwareProfile.read(file)
    assert before.timings.items() < after.timings.items()


def test_another_engines_profile_is_not_mixed_with(child_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "bought.yaml"
    HardwareProfile.load("h100-sxm").model_copy(update={"timings": {}}).save(file)
    with pytest.raises(UserError, match="an engine's times have a profile of their own"):
        bench_named(Request(str(child_folder), "torch", load=SMALL, rounds=1, save=file))


def test_a_profile_that_knows_no_price_is_told_and_the_rest_stands(child_folder: Path) -> None:
    benched = bench_named(Request(str(child_folder), "torch", load=SMALL, rounds=1, profile="h100-sxm"))
    assert set(benched.rows[0].predicted) == {PARAMETERS}
    assert any("does not multiply in fp32" in note for note in benched.notes)


def test_the_command_prints_every_ratio_as_json(child_folder: Path) -> None:
    arguments = ["bench", str(child_folder), "--prefill", "8", "--decode", "2", "--batch", "1,2", "--rounds", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["engine"], told["precision"], told["load"]["batches"]) == ("torch", "fp32", [1, 2])
    assert [(row["phase"], row["batch"], len(row["ratios"])) for row in told["rows"]] == [
        ("prefill", 1, 2), ("decode", 1, 2), ("decode", 2, 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "torhc"], "no engine is called 'torhc', did you mean 'torch'?"),
        (["--batch", "1;8"], "--batch: expected numbers by commas, like 1,8, got '1;8'"),
        (["--precision", "fp23"], "--precision: no precision is called 'fp23', did you mean 'fp32'?"),
        (["--precision", "fp8"], "--precision: torch is timed in fp32, bf16, fp16, not in fp8"),
        (["--prefill", "512"], "the child's context is 128 tokens"),
        (["--recipe", "x.yaml"], "--recipe: goes with --save FILE.yaml"),
        (["--save", "here"], "--save: a profile is a .yaml file; write --save here.yaml"),
    ],
)
def test_mistakes_are_told_before_anything_is_timed(child_folder: Path, options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["bench", str(child_folder), *options])
    assert result.exit_code == 2
    assert message in result.stderr


def test_parts_that_an_engine_cannot_run_are_left_out(child_config: BlockwrightConfig) -> None:
    from blockwright.costs.parts import PlacedVariant
    from blockwright.variants import VariantSpec

    parts = parts_of_child(child_config)
    known = installed_plugins().variants
    linear = [PlacedVariant.of(VariantSpec(part.spec.slot, "linear"), part.shape, known) for part in parts[:2]]
    kept = runnable([*parts, *linear], make_engine("llama.cpp", EngineSettings()), child_config)
    assert [part.spec.slot for part in kept if part.spec.kind == "linear"] == ["attention"]
    assert runnable([*parts, *linear], make_engine("torch", EngineSettings()), child_config) == [*parts, *linear]


def test_scenarios_of_equal_lengths_share_a_load_and_the_engines_precision() -> None:
    engine = make_engine("torch", read_settings(None, 1, "fp32"))
    scenarios = [Scenario(batch=size, input_tokens=8, output_tokens=4, weights="fp32", kv="fp32") for size in (8, 1)]
    assert loads_of(scenarios, engine) == [Load(8, 4, (1, 8))]
    with pytest.raises(UserError, match=r"write scenario: \{weights: fp32\}"):
        loads_of([Scenario(weights="bf16")], engine)


def test_a_profile_measured_in_an_engine_prices_a_recipes_search(recipe: Path, tmp_path: Path) -> None:
    file, data = tmp_path / "torch.yaml", yaml.safe_load(recipe.read_text())
    scenario = {"batch": 2, "input_tokens": 8, "output_tokens": 2, "weights": "fp32", "kv": "fp32"}
    data |= {"scenario": scenario, "hardware": str(file), "cost_model": {"name": "measured"}}
    data["budget"] = {"decode_ms": "95%"}
    recipe.write_text(yaml.safe_dump(data))
    arguments = ["hardware", "measure", "--engine", "torch", "--out", str(file), "--recipe", str(recipe)]
    result = CliRunner().invoke(app, [*arguments, "--rounds", "2"])
    assert result.exit_code == 0, result.output
    assert "drawn at random" in result.output
    prices = check_recipe(recipe).prices
    assert prices.parent["decode_ms"] > 0
    assert prices.main.blocks["ffn.1"]["skip"].decode_ms == 0
