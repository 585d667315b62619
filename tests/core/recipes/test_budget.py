"""A budget is read as people write it, and every wrong one says what to write."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.recipes.budget import Budget
from blockwright.recipes.mistakes import mistakes_of

PARENT = {"params": 134_515_008.0, "memory": 3.0e8}


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("80%", 107_612_006.4),
        ("100%", 134_515_008.0),
        ("12.5 %", 16_814_376.0),
        (107_000_000, 107_000_000.0),
        ("107_000_000", 107_000_000.0),
        ("107M", 107_000_000.0),
        ("0.1 B", 100_000_000.0),
        ("1.07e8", 107_000_000.0),
        (1.07e8, 107_000_000.0),
    ],
)
def test_params_are_a_count_or_a_share_of_the_parents(written: str | int | float, limit: float) -> None:
    assert Budget(params=written).limits(PARENT) == {"params": pytest.approx(limit, rel=1e-15)}


@pytest.mark.parametrize(
    ("written", "limit"),
    [("2 GiB", 2 * 2**30), ("500MB", 500e6), ("0.5 kib", 512), (4096, 4096), ("50%", 1.5e8), ("1 tb", 1e12)],
)
def test_memory_is_bytes_with_a_unit_or_a_share_of_the_parents(written: str | int, limit: float) -> None:
    assert Budget(memory=written).limits(PARENT) == {"memory": limit}


def test_both_limits_hold_at_once() -> None:
    assert Budget(params="50%", memory="1 MiB").limits(PARENT) == {"params": 67_257_504.0, "memory": 2.0**20}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("0%", "must be more than 0, got '0%'"),
        (0, "must be more than 0, got 0"),
        ("-3M", "must be more than 0, got '-3M'"),
        ("120%", "a child cannot take more than its parent: at most 100%, got '120%'"),
        ("107 GiB", "'107 GiB' has no unit of params; write 80%, 107_000_000 or 107M"),
        ("small", "'small' is no limit; write 80%, 107_000_000 or 107M"),
        ("", "'' is no limit; write"),
        (0.8, "0.8 is less than one; for a share of the parent's write 80%"),
        (float("nan"), "nan is no limit"),
        ("1e999", "must be more than 0 and finite, got '1e999'"),
        (True, "expected a limit like 80%, 107_000_000 or 107M, got True"),
        ([3], "expected a limit like 80%, 107_000_000 or 107M, got [3]"),
        ("9" * 100_000 + "!", "'999999"),
    ],
)
def test_what_is_no_limit_is_told_at_its_key(written: object, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Budget.model_validate({"params": written})
    [mistake] = mistakes_of(caught.value, Budget)
    assert mistake.path == ("params",)
    assert mistake.message.startswith(told)
    assert len(mistake.message) < 200


@pytest.mark.parametrize("nothing", [{}, {"params": None}])
def test_a_budget_that_limits_nothing_is_refused(nothing: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"limits nothing; set params \(80%\), memory \('2 GiB'\)"):
        Budget.model_validate(nothing)


def test_a_budget_survives_json_as_it_was_written() -> None:
    budget = Budget(params="80%", memory=5_000_000)
    assert Budget.model_validate(budget.model_dump(mode="json")) == budget
    assert dict(budget.written()) == {"params": "80%", "memory": 5_000_000}


def test_a_resource_that_the_cost_model_does_not_price_is_told() -> None:
    with pytest.raises(UserError, match=r"budget\.memory: the cost model does not price it; there is params"):
        Budget(memory="50%").limits({"params": 3.0})
