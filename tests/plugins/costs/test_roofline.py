"""The cost model `roofline` is the calibrated formula, with what is latency apart."""

from __future__ import annotations

import warnings

import pytest

from blockwright.costs import Scenario
from blockwright.costs.parts import Norm
from blockwright.errors import UserError
from blockwright.hardware.efficiency import Efficiency
from blockwright.hardware.operations import AllReduce, Elementwise, Gemm
from blockwright.hardware.profile import HardwareProfile
from blockwright_plugins.costs.roofline import Roofline

KERNEL = Efficiency(fixed_us=4, compute=0.5, bandwidth=0.8, sharpness=1)
MACHINE = HardwareProfile(
    name="made-up", memory_gib=10, bandwidth_gb_s=1000, peak_tflops={"bf16": 100}, link_gb_s=10,
    efficiency={"gemm": {"bf16": KERNEL}},
)  # fmt: skip
PRODUCT = Gemm("bf16", m=1000, n=1000, k=1000)


def test_a_product_takes_its_fixed_time_its_arithmetic_and_its_traffic() -> None:
    time = Roofline(MACHINE).operation(PRODUCT)
    flops, moved = 2e9, 6e6
    assert time.ms == pytest.approx(4e-3 + flops / (0.5 * 1e14) * 1e3 + moved / (0.8 * 1e12) * 1e3)
    assert time.waits_ms == pytest.approx(4e-3)
    assert time.source == "analytic"


def test_all_of_a_message_between_gpus_is_waiting() -> None:
    time = Roofline(MACHINE).operation(AllReduce("bf16", gpus=2, elements=10**6))
    assert time.ms > 2e6 / 1e10 * 1e3  # each sends half of its elements twice
    assert time.waits_ms == time.ms


def test_a_part_is_the_sum_of_its_operations_asked_once_of_each() -> None:
    model, work = Roofline(MACHINE), Scenario(batch=4).decode
    time = model.time(Norm(512), work)
    alone = model.operation(Elementwise("bf16", values=4 * 4 * 512))
    assert time is not None
    assert (time.ms, time.waits_ms) == (alone.ms, alone.waits_ms)


def test_it_suits_any_machine_and_none_less() -> None:
    assert Roofline.suits(MACHINE) > 0
    assert Roofline.suits(None) == 0


def test_it_ignores_tables_and_never_warns() -> None:
    h100 = HardwareProfile.load("h100-sxm")
    vast = Gemm("bf16", m=1, n=10**6, k=10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Roofline(h100).operation(vast).ms == h100.analytic_ms(vast)


def test_a_precision_that_the_machine_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match=r"made-up does not multiply in fp8; it has bf16"):
        Roofline(MACHINE).operation(Gemm("fp8", m=1, n=1, k=1))
