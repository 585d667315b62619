"""A profile of the machine that runs the tests, and a recipe's variants timed on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.costs import CostModel, Scenario, TableExceeded
from blockwright.errors import UserError
from blockwright.hardware.profile import HardwareProfile
from blockwright.measuring.machine import measure_machine
from blockwright.measuring.recording import record
from blockwright.measuring.timers import CPUTimer
from blockwright.measuring.whole_models import Target
from blockwright.outlines import ModelOutline
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.variants import SLOTS, SubBlock, VariantSpec

SCENARIO = Scenario(input_tokens=6, output_tokens=4, weights="fp32", kv="fp32")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of matrices up to 128, written."""
    file = tmp_path_factory.mktemp("hardware") / "here.yaml"
    measure_machine("here", CPUTimer(), seconds=0, largest=128).save(file)
    return file


@pytest.fixture
def target(parent: Parent) -> Target:
    space = {
        SubBlock(layer, slot): (VariantSpec(slot, "keep"), VariantSpec(slot, "linear"))
        for layer in range(parent.layers)
        for slot in SLOTS
    }
    return Target(parent, space, (SCENARIO,))


def test_the_profile_has_the_schema_of_the_bundled_ones_and_prices_models(measured: Path, parent: Parent) -> None:
    profile = HardwareProfile.load(measured)
    assert {table.kind for table in profile.tables.all} == {
        "gemm", "context_attention", "generation_attention", "elementwise",
    }  # fmt: skip
    assert set(profile.efficiency) == {table.kind for table in profile.tables.all}
    with pytest.warns(TableExceeded, match="lies outside of the table"):
        cost = CostModel(profile).model(ModelOutline(parent).graph(), SCENARIO)
    assert 0 < cost.decode_ms < 1000
    assert cost.tokens_per_s > 0


def test_a_recipes_variants_join_the_profile_and_whole_models_are_checked(
    measured: Path, target: Target, tmp_path: Path, plugins: Plugins
) -> None:
    out = tmp_path / "mine.yaml"
    HardwareProfile.read(measured).save(out)
    recorded = record(out, "cpu", 0.0, target)
    profile = HardwareProfile.read(out)
    assert len(profile.timings) == 2 * (4 + 1)
    assert profile.tables.all
    assert {one.cost_model for one in recorded.checks} == {"measured", "tables"}
    assert {one.model for one in recorded.checks} >= {"parent", "drawn at random"}

    whole = plugins.cost_model("measured")(profile).model(ModelOutline(target.parent).graph(), SCENARIO)
    kept = [ms for timed, ms in profile.timings.items() if " keep " in timed.part and timed.phase == "decode"]
    [rest] = [ms for timed, ms in profile.timings.items() if timed.part.startswith("rest") and timed.phase == "decode"]
    assert whole.decode_ms == pytest.approx(rest + target.parent.layers * sum(kept), rel=1e-4)
    assert whole.source == "measured"


def test_what_was_not_timed_is_not_guessed(measured: Path, parent: Parent, plugins: Plugins) -> None:
    model = plugins.cost_model("measured")(HardwareProfile.read(measured))
    with pytest.raises(UserError, match=r"here has no time of .*; type `blockwright hardware measure --recipe RECIPE"):
        model.block(ModelOutline(parent).variant("ffn", "keep"), SCENARIO)


def test_timings_survive_the_file(measured: Path, target: Target, tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    HardwareProfile.read(measured).save(out)
    profile = record(out, "cpu", 0.0, target).profile
    assert dict(HardwareProfile.read(out).timings) == pytest.approx(dict(profile.timings), rel=1e-5)
    (tmp_path / "mine" / "parts.csv").write_text("part,precision\nx,fp32\n")
    with pytest.raises(UserError, match=r"parts\.csv: row 1: expected part, precision, phase"):
        HardwareProfile.read(out)


def test_a_precision_that_is_not_measured_is_refused(measured: Path, target: Target, tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    HardwareProfile.read(measured).save(out)
    half = Target(target.parent, target.space, (Scenario(),))
    with pytest.raises(UserError, match=r"scenario: models are measured in fp32 .*write scenario: \{weights: fp32"):
        record(out, "cpu", 0.0, half)


@pytest.mark.parametrize(
    ("device", "told"), [("tpu", "'tpu' is none of cpu, cuda"), ("cuda", "torch finds no CUDA device here")]
)
def test_a_device_that_is_not_there_is_told(device: str, told: str, tmp_path: Path) -> None:
    import torch

    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(UserError, match=told):
        record(tmp_path / "mine.yaml", device, 0.0, None)


def test_a_profile_is_a_yaml_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--out: a profile is a \.yaml file; write --out .*mine\.yaml"):
        record(tmp_path / "mine.json", "cpu", 0.0, None)
