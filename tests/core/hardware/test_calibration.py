"""Calibration finds the efficiency of a machine whose efficiency is known."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from blockwright.errors import UserError
from blockwright.hardware.calibration import calibrated_on
from blockwright.hardware.efficiency import Efficiency
from blockwright.hardware.operations import ContextAttention, Gemm, Operation
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Table

TRUE = Efficiency(fixed_us=5, compute=0.6, bandwidth=0.85, sharpness=3)
DATASHEET = HardwareProfile(name="made-up", memory_gib=10, bandwidth_gb_s=2000, peak_tflops={"bf16": 500, "fp8": 1000})
MACHINE = DATASHEET.model_copy(update={"efficiency": {"gemm": {"bf16": TRUE}, "context_attention": {"bf16": TRUE}}})
SIZES = list(product([1, 4, 16, 64, 256, 1024, 4096], [1024, 2048, 4096, 8192], [1024, 4096, 16384]))


def gemm_table(noise: float = 0.0, sizes: list[tuple[int, int, int]] = SIZES) -> Table:
    draw = np.random.default_rng(0)
    times = [MACHINE.analytic_ms(Gemm("bf16", *one)) * np.exp(noise * draw.normal()) for one in sizes]
    return Table("gemm", ("bf16",), np.array(sizes, float), np.array(times))


def gemm_file(folder: Path, name: str = "gemm.csv", rows: int = len(SIZES)) -> Path:
    times = [(*sizes, 1e3 * MACHINE.analytic_ms(Gemm("bf16", *sizes))) for sizes in SIZES[:rows]]
    lines = [f"bf16,{m},{n},{k},{us!r}" for m, n, k, us in times]
    file = folder / name
    file.write_text("\n".join(["precision,m,n,k,latency_us", *lines]) + "\n")
    return file


def test_the_efficiency_of_a_machine_without_noise_is_recovered() -> None:
    found = calibrated_on(DATASHEET, [gemm_table()]).efficiency["gemm"]["bf16"]
    assert found.fixed_us == pytest.approx(TRUE.fixed_us, rel=0.02)
    assert found.compute == pytest.approx(TRUE.compute, rel=0.02)
    assert found.bandwidth == pytest.approx(TRUE.bandwidth, rel=0.02)
    assert found.sharpness == pytest.approx(TRUE.sharpness, rel=0.1)


def test_noise_of_ten_per_cent_moves_the_peaks_by_a_few() -> None:
    found = calibrated_on(DATASHEET, [gemm_table(noise=0.1)]).efficiency["gemm"]["bf16"]
    assert found.compute == pytest.approx(TRUE.compute, rel=0.06)
    assert found.bandwidth == pytest.approx(TRUE.bandwidth, rel=0.06)


def test_a_few_rows_that_were_disturbed_do_not_spoil_the_fit() -> None:
    table = gemm_table()
    times = table.latency_ms.copy()
    times[::10] *= 20
    found = calibrated_on(DATASHEET, [Table("gemm", ("bf16",), table.sizes, times)]).efficiency["gemm"]["bf16"]
    assert found.compute == pytest.approx(TRUE.compute, rel=0.1)
    assert found.bandwidth == pytest.approx(TRUE.bandwidth, rel=0.1)


def test_head_dimensions_are_fitted_together() -> None:
    def table(head_dim: int) -> Table:
        sizes = list(product([1, 8], [128, 1024, 8192], [8, 32], [8]))
        operations = [ContextAttention("bf16", *_attention(head_dim, one)) for one in sizes]
        times = np.array([MACHINE.analytic_ms(one) for one in operations])
        return Table("context_attention", ("bf16", head_dim), np.array(sizes, float), times)

    profile = calibrated_on(DATASHEET, [table(64), table(128)])
    assert [one.variety for one in profile.tables.all] == [("bf16", 64), ("bf16", 128)]
    assert list(profile.efficiency["context_attention"]) == ["bf16"]
    operation = ContextAttention("bf16", *_attention(128, (2, 2048, 16, 8)))
    assert _ms(profile, operation) == pytest.approx(_ms(MACHINE, operation), rel=0.02)


def _attention(head_dim: int, sizes: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    batch, tokens, heads, kv_heads = sizes
    return batch, heads, kv_heads, head_dim, tokens


def _ms(profile: HardwareProfile, operation: Operation) -> float:
    return profile.analytic_ms(operation)


def test_calibrating_returns_a_new_profile_and_leaves_the_old_one(tmp_path: Path) -> None:
    before = DATASHEET.fingerprint
    found = DATASHEET.calibrate(gemm_file(tmp_path))
    assert DATASHEET.fingerprint == before
    assert DATASHEET.tables.all == ()
    assert DATASHEET.efficiency == {}
    assert found.fingerprint != before
    assert [table.kind for table in found.tables.all] == ["gemm"]
    product = Gemm("bf16", m=300, n=3000, k=3000)
    assert found.analytic_ms(product) == pytest.approx(MACHINE.analytic_ms(product), rel=0.02)


def test_calibrating_a_bundled_profile_changes_its_own_kind_and_precision_alone(tmp_path: Path) -> None:
    h100 = HardwareProfile.load("h100-sxm")
    before = {kind: dict(fits) for kind, fits in h100.efficiency.items()}
    found = h100.calibrate(str(gemm_file(tmp_path)))
    assert {kind: dict(fits) for kind, fits in h100.efficiency.items()} == before
    assert found.efficiency["gemm"]["bf16"] != before["gemm"]["bf16"]
    kept = {**found.efficiency, "gemm": {**found.efficiency["gemm"], "bf16": before["gemm"]["bf16"]}}
    assert kept == before
    table = found.table_of(Gemm("bf16", m=1, n=1024, k=1024))
    assert table is not None
    assert len(table.latency_ms) == len(SIZES)
    assert len(found.tables.all) == len(h100.tables.all)


def test_a_calibrated_profile_is_saved_and_read_the_same(tmp_path: Path) -> None:
    for profile in (DATASHEET, HardwareProfile.load("a100-sxm")):
        found = profile.calibrate(gemm_file(tmp_path))
        found.save(tmp_path / "mine.yaml")
        assert HardwareProfile.load(tmp_path / "mine.yaml").fingerprint == found.fingerprint


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gemm: 7 rows are too few to calibrate; measure 8 at least"):
        DATASHEET.calibrate(gemm_file(tmp_path, rows=7))
    assert DATASHEET.calibrate(gemm_file(tmp_path, rows=8)).efficiency


def test_a_precision_that_the_machine_does_not_have_is_refused(tmp_path: Path) -> None:
    file = gemm_file(tmp_path)
    file.write_text(file.read_text().replace("bf16", "fp32"))
    with pytest.raises(UserError, match="made-up does not multiply in fp32; it has bf16, fp8"):
        DATASHEET.calibrate(file)


def test_calibration_is_the_same_every_time() -> None:
    first, second = (calibrated_on(DATASHEET, [gemm_table(noise=0.1)]) for _ in range(2))
    assert first.fingerprint == second.fingerprint
