"""The calibrated roofline: never faster than either bound, and as slow as both where neither is hidden."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from blockwright.hardware.efficiency import DEFAULT, Efficiency, peak_times
from blockwright.hardware.operations import Elementwise, Gemm

PERFECT = Efficiency(fixed_us=0, compute=1, bandwidth=1, sharpness=50)


def test_peak_times_are_flops_and_bytes_over_the_machines_best() -> None:
    compute_ms, memory_ms = peak_times(Gemm("bf16", m=1000, n=1000, k=1000), peak_tflops=2.0, bytes_per_s=3e9)
    assert compute_ms == pytest.approx(1.0)  # 2e9 flops at 2e12 a second
    assert memory_ms == pytest.approx(2.0)  # 6e6 bytes at 3e9 a second


def test_a_copy_takes_no_arithmetic() -> None:
    assert peak_times(Elementwise("bf16", values=500), peak_tflops=1.0, bytes_per_s=1e6) == (0.0, 1.0)


def test_a_sharp_roofline_is_the_larger_of_its_bounds() -> None:
    assert PERFECT.milliseconds(3.0, 2.0) == pytest.approx(3.0, rel=1e-8)
    assert PERFECT.milliseconds(2.0, 3.0) == pytest.approx(3.0, rel=1e-8)


def test_sharpness_one_adds_arithmetic_and_traffic() -> None:
    blunt = Efficiency(fixed_us=0, compute=1, bandwidth=1, sharpness=1)
    assert blunt.milliseconds(3.0, 2.0) == pytest.approx(5.0)
    between = Efficiency(fixed_us=0, compute=1, bandwidth=1, sharpness=2)
    assert between.milliseconds(3.0, 4.0) == pytest.approx(5.0)  # √(3² + 4²)


def test_shares_of_the_peaks_and_the_fixed_time_slow_it_down() -> None:
    slow = Efficiency(fixed_us=250, compute=0.5, bandwidth=0.25, sharpness=1)
    assert slow.milliseconds(1.0, 1.0) == pytest.approx(0.25 + 1 / 0.5 + 1 / 0.25)


def test_nothing_to_do_still_takes_the_fixed_time() -> None:
    assert Efficiency(fixed_us=7).milliseconds(0.0, 0.0) == pytest.approx(0.007)


@pytest.mark.parametrize("sharpness", [0.5, 1, 2.5, 50])
@pytest.mark.parametrize("times", [(1e-300, 1e-300), (1e-9, 1e3), (1e300, 1e300), (0.0, 1e-12)])
def test_no_size_overflows_or_vanishes(times: tuple[float, float], sharpness: float) -> None:
    found = Efficiency(fixed_us=0, sharpness=sharpness).milliseconds(*times)
    least = max(times[0] / DEFAULT.compute, times[1] / DEFAULT.bandwidth)
    most = least * 2 ** (1 / sharpness)
    assert least * (1 - 1e-12) <= found <= most * (1 + 1e-12)


@pytest.mark.parametrize(
    "wrong",
    [{"fixed_us": -1}, {"compute": 0}, {"bandwidth": -0.5}, {"sharpness": 0}, {"sharpness": 51},
     {"compute": float("inf")}, {"fixed_us": float("nan")}, {"speed": 1}],
)  # fmt: skip
def test_impossible_efficiencies_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Efficiency.model_validate(wrong)


def test_an_efficiency_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        DEFAULT.compute = 1.0  # type: ignore[misc]
