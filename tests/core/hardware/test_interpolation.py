"""Between measured points the interpolation follows the law that the points were taken from."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from blockwright.hardware.interpolation import Interpolator
from blockwright.hardware.operations import Gemm
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Table

MACHINE = HardwareProfile(name="made-up", memory_gib=10, bandwidth_gb_s=500, peak_tflops={"bf16": 100})
SIZES = [2**power for power in range(5, 13)]


def law(m: float, n: float, k: float) -> float:
    """Milliseconds: the roofline, slower by up to 60 % in a way that changes smoothly with every size."""
    slower = 1.3 + 0.2 * np.sin(np.log2(m) / 3) + 0.1 * np.cos(np.log2(n) / 4) * np.sin(np.log2(k) / 4)
    return float(MACHINE.analytic_ms(Gemm("bf16", int(m), int(n), int(k))) * slower)


def table(sizes: list[tuple[int, int, int]]) -> Table:
    return Table("gemm", ("bf16",), np.array(sizes, float), np.array([law(*one) for one in sizes]))


@pytest.fixture(scope="module")
def interpolator() -> Interpolator:
    return Interpolator(MACHINE, table(list(product(SIZES, repeat=3))))


def priced(interpolator: Interpolator, m: int, n: int, k: int) -> float:
    operation = Gemm("bf16", m, n, k)
    return MACHINE.analytic_ms(operation) * interpolator.factor(operation)


def test_held_out_points_are_within_two_per_cent_and_one_in_the_middle(interpolator: Interpolator) -> None:
    draw = np.random.default_rng(0)
    points = np.exp2(draw.uniform(5, 12, size=(200, 3))).astype(int)
    wrong = [abs(priced(interpolator, *point) / law(*point) - 1) for point in points.tolist()]
    assert max(wrong) < 0.02
    assert np.median(wrong) < 0.01


def test_it_beats_the_roofline_that_it_corrects(interpolator: Interpolator) -> None:
    point = (100, 700, 900)
    roofline = MACHINE.analytic_ms(Gemm("bf16", *point))
    assert abs(roofline / law(*point) - 1) > 0.1
    assert abs(priced(interpolator, *point) / law(*point) - 1) < 0.02


def test_a_measured_point_comes_out_nearly_as_measured(interpolator: Interpolator) -> None:
    assert priced(interpolator, 128, 512, 256) == pytest.approx(law(128, 512, 256), rel=0.01)


@pytest.mark.parametrize("beyond", [(4096, 4096, 10**6), (4096, 10**6, 4096), (10**6, 4096, 4096), (1, 32, 32)])
def test_outside_of_the_table_the_factor_is_that_of_its_border(
    interpolator: Interpolator, beyond: tuple[int, int, int]
) -> None:
    border = Gemm("bf16", *(min(max(size, 32), 4096) for size in beyond))
    assert interpolator.factor(Gemm("bf16", *beyond)) == pytest.approx(interpolator.factor(border), rel=1e-12)


def test_one_row_gives_its_own_factor_everywhere() -> None:
    alone = Interpolator(MACHINE, table([(64, 64, 64)]))
    own = law(64, 64, 64) / MACHINE.analytic_ms(Gemm("bf16", 64, 64, 64))
    for sizes in ((64, 64, 64), (1, 1, 1), (4096, 32, 7)):
        assert alone.factor(Gemm("bf16", *sizes)) == pytest.approx(own)


@pytest.mark.parametrize("rows", [2, 5, 59, 60, 61])
def test_few_rows_stay_between_the_factors_that_were_measured(rows: int) -> None:
    some = list(product(SIZES, repeat=3))[:: 512 // rows][:rows]
    few = Interpolator(MACHINE, table(some))
    factors = [law(*one) / MACHINE.analytic_ms(Gemm("bf16", *one)) for one in some]
    found = few.factor(Gemm("bf16", 300, 300, 300))
    assert min(factors) * 0.95 < found < max(factors) * 1.05


def test_rows_that_were_measured_twice_count_as_their_mean() -> None:
    twice = Table("gemm", ("bf16",), np.full((2, 3), 64.0), np.array([1.0, 4.0]))
    found = Interpolator(MACHINE, twice).factor(Gemm("bf16", 64, 64, 64))
    assert found * MACHINE.analytic_ms(Gemm("bf16", 64, 64, 64)) == pytest.approx(2.0)  # of the logarithms


def test_a_constant_slowdown_is_found_exactly() -> None:
    sizes = np.array(list(product(SIZES, repeat=3)), float)
    slower = np.array([3 * MACHINE.analytic_ms(Gemm("bf16", *map(int, one))) for one in sizes])
    found = Interpolator(MACHINE, Table("gemm", ("bf16",), sizes, slower)).factor(Gemm("bf16", 77, 1234, 99))
    assert found == pytest.approx(3.0, rel=1e-9)
