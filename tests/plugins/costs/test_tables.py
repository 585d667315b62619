"""The cost model `tables` gives measured times as they are, and says where each of its times is from."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from blockwright.costs import CostModel, Scenario, TableExceeded
from blockwright.costs.parts import PlacedVariant
from blockwright.hardware.operations import ContextAttention, Elementwise, Gemm, Operation
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Table, Tables
from blockwright.variants import SubBlockShape, VariantSpec
from blockwright_plugins.costs.tables import TableCosts
from blockwright_plugins.variants.keep import KeepFFN

SIZES = [(m, n, k) for m in (1, 8, 64) for n in (512, 1024) for k in (512, 1024)]
BARE = HardwareProfile(name="made-up", memory_gib=10, bandwidth_gb_s=1000, peak_tflops={"bf16": 100}, link_gb_s=10)
TWICE = np.array([2 * BARE.analytic_ms(Gemm("bf16", *one)) for one in SIZES])
MACHINE = BARE.model_copy(update={"tables": Tables((Table("gemm", ("bf16",), np.array(SIZES, float), TWICE),))})


@pytest.mark.parametrize("kind", ["gemm", "context_attention", "generation_attention", "all_reduce"])
def test_a_row_that_was_measured_comes_as_it_was(kind: str) -> None:
    h100 = HardwareProfile.load("h100-sxm")
    model = TableCosts(h100)
    for table in [one for one in h100.tables.all if one.kind == kind]:
        for row in range(0, len(table.latency_ms), len(table.latency_ms) // 5):
            time = model.operation(table.operation(row))
            assert (time.ms, time.source) == (table.latency_ms[row], "measured")


def test_between_measured_rows_the_formula_is_corrected() -> None:
    between = Gemm("bf16", m=20, n=700, k=900)
    time = TableCosts(MACHINE).operation(between)
    assert time.source == "interpolated"
    assert time.ms == pytest.approx(2 * BARE.analytic_ms(between))


def beyond(operation: Operation) -> list[str]:
    """What is told of an operation outside of its table; its price must be that of the corrected formula."""
    with pytest.warns(TableExceeded) as told:
        time = TableCosts(MACHINE).operation(operation)
    assert time.source == "analytic"
    assert time.ms == pytest.approx(2 * BARE.analytic_ms(operation))
    return [str(one.message) for one in told]


def test_beyond_a_table_the_dimension_is_named() -> None:
    assert beyond(Gemm("bf16", m=8, n=4096, k=512)) == [
        "gemm bf16: n = 4096 (measured 512 to 1024) lies outside of the table; taken from the formula"
    ]
    assert beyond(Gemm("bf16", m=8, n=512, k=16)) == [
        "gemm bf16: k = 16 (measured 512 to 1024) lies outside of the table; taken from the formula"
    ]


def test_every_dimension_beyond_is_told() -> None:
    told = beyond(Gemm("bf16", m=65, n=512, k=2048))
    assert [one.split(" ")[2] for one in told] == ["m", "k"]


def test_each_size_beyond_is_told_once() -> None:
    model = TableCosts(MACHINE)
    with pytest.warns(TableExceeded) as told:
        for m, n in ((1, 4096), (8, 4096), (64, 4096), (1, 8192)):
            model.operation(Gemm("bf16", m=m, n=n, k=512))
    assert [str(one.message).split(" ")[4] for one in told] == ["4096", "8192"]


def test_an_operation_without_a_table_is_analytic_and_says_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for operation in (
            Elementwise("bf16", values=100),
            ContextAttention("bf16", batch=1, heads=1, kv_heads=1, head_dim=7, tokens=9),
        ):
            time = TableCosts(MACHINE).operation(operation)
            assert (time.ms, time.source) == (BARE.analytic_ms(operation), "analytic")


def test_no_more_is_waited_than_was_measured() -> None:
    quick = Table("gemm", ("bf16",), np.array([[1.0, 1.0, 1.0]]), np.array([0.001]))  # below the fixed 3 µs
    time = TableCosts(BARE.model_copy(update={"tables": Tables((quick,))})).operation(Gemm("bf16", 1, 1, 1))
    assert time.waits_ms == time.ms == 0.001


def test_it_suits_machines_with_tables_best() -> None:
    assert TableCosts.suits(MACHINE) > 0
    assert TableCosts.suits(BARE) == TableCosts.suits(None) == 0
    assert type(CostModel(MACHINE)) is TableCosts


def test_a_sub_block_has_the_source_of_most_of_its_time() -> None:
    spec = VariantSpec("ffn", "keep")

    def source(width: int, batch: int, prompt: int) -> str:
        shape = SubBlockShape("ffn", 512, attention_heads=8, kv_heads=8, head_dim=64, ffn_width=width)
        scenario = Scenario(batch=batch, input_tokens=prompt)
        return CostModel(MACHINE).block(PlacedVariant(KeepFFN(), spec, shape), scenario).source

    assert source(width=512, batch=8, prompt=64) == "measured"
    assert source(width=512, batch=7, prompt=63) == "interpolated"
    with pytest.warns(TableExceeded):
        assert source(width=2048, batch=8, prompt=64) == "analytic"


def test_near_measured_rows_of_a_real_machine_the_price_is_near() -> None:
    """A point between two measured widths lies between their times, give or take a fifth."""
    model = TableCosts("h100-sxm")
    low, middle, high = (model.operation(Gemm("bf16", m=64, n=n, k=4096)) for n in (4096, 6000, 8192))
    assert (low.source, middle.source, high.source) == ("measured", "interpolated", "measured")
    assert low.ms / 1.2 < middle.ms < high.ms * 1.2
