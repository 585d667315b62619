"""Limits on times and rates, in one scenario or in several, are read as people write them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.recipes.budget import Budget
from blockwright.recipes.mistakes import mistakes_of

PARENT = {"params": 1000.0, "memory": 3e8, "prefill_ms": 80.0, "decode_ms": 20.0, "tpot_ms": 25.0, "ms_per_token": 0.5}
CHAT = {f"chat.{name}": 2 * value for name, value in PARENT.items() if name != "params"}


@pytest.mark.parametrize("key", ["prefill_ms", "decode_ms", "tpot_ms"])
@pytest.mark.parametrize(
    ("written", "limit"),
    [("12.5 ms", 12.5), (12.5, 12.5), ("12.5", 12.5), (3, 3.0), ("800us", 0.8), ("0.01 s", 10.0), ("1e-3", 0.001)],
)
def test_a_time_is_milliseconds_unless_it_says_otherwise(key: str, written: str | float, limit: float) -> None:
    assert Budget.model_validate({key: written}).limits(PARENT) == {key: pytest.approx(limit)}


@pytest.mark.parametrize(("written", "limit"), [("60%", 12.0), ("100%", 20.0), ("2x", 10.0), ("1.25 X", 16.0)])
def test_a_time_may_be_a_share_of_the_parents_or_so_many_times_as_fast(written: str, limit: float) -> None:
    assert Budget(decode_ms=written).limits(PARENT) == {"decode_ms": pytest.approx(limit)}


@pytest.mark.parametrize(
    ("written", "rate"),
    [("2.17x", 2.17 * 2000), ("150%", 1.5 * 2000), ("1x", 2000), (5000, 5000), ("5000", 5000), ("5k", 5000)],
)
def test_a_rate_is_tokens_per_second_or_so_many_times_the_parents(written: str | int, rate: float) -> None:
    limits = Budget(tokens_per_s=written).limits(PARENT)
    assert limits == {"ms_per_token": pytest.approx(1e3 / rate)}


@pytest.mark.parametrize(("written", "gib"), [(1.5, 1.5), ("1.5", 1.5), ("1.5 GiB", 1.5), ("50%", 1.5e8 / 2**30)])
def test_memory_may_be_written_in_gib(written: str | float, gib: float) -> None:
    assert Budget(memory_gib=written).limits(PARENT) == {"memory": pytest.approx(gib * 2**30)}


def test_each_scenario_has_its_own_limits() -> None:
    budget = Budget.model_validate(
        {"params": "80%", "decode_ms": "50%", "scenarios": {"chat": {"decode_ms": "50%", "tokens_per_s": "2x"}}}
    )
    assert budget.limits({**PARENT, **CHAT}) == {
        "params": 800.0, "decode_ms": 10.0, "chat.decode_ms": 20.0, "chat.ms_per_token": 0.5,
    }  # fmt: skip


def test_a_budget_of_scenarios_alone_limits_enough() -> None:
    budget = Budget.model_validate({"scenarios": {"chat": {"memory": "10%"}}})
    assert budget.limits({**PARENT, **CHAT}) == {"chat.memory": 6e7}
    with pytest.raises(ValidationError, match="limits nothing"):
        Budget.model_validate({"scenarios": {"chat": {}}})


def test_a_limit_knows_where_it_was_written() -> None:
    budget = Budget.model_validate({"memory_gib": 1, "scenarios": {"chat": {"tokens_per_s": "2x"}}})
    assert budget.path_of("memory") == ("budget", "memory_gib")
    assert budget.path_of("chat.ms_per_token") == ("budget", "scenarios", "chat", "tokens_per_s")
    assert budget.path_of("decode_ms") == ("budget",)


@pytest.mark.parametrize(
    ("key", "written", "told"),
    [
        ("decode_ms", "150%", "a child cannot take more than its parent: at most 100%, got '150%'"),
        ("decode_ms", "fast", "'fast' is no limit; write 12.5, 60% (of the parent's) or 1.7x (as fast)"),
        ("decode_ms", "5 GiB", "'5 GiB' has no unit of decode_ms; write 12.5, 60%"),
        ("tpot_ms", -1, "must be more than 0, got -1"),
        ("prefill_ms", "0x", "must be more than 0, got '0x'"),
        ("tokens_per_s", 0, "must be more than 0, got 0"),
        ("tokens_per_s", "5 ms", "'5 ms' has no unit of tokens_per_s; write 2.17x (of the parent's), 150% or 5000"),
        ("tokens_per_s", [5], "expected a limit like 2.17x (of the parent's), 150% or 5000, got [5]"),
        ("params", "2x", "'2x' has no unit of params; write 80%"),
        ("memory", "2x", "'2x' has no unit of memory; write 80%"),
        ("memory_gib", "500 MB", "'500 MB' has no unit of memory_gib; write 80% or 1.5"),
    ],
)
def test_what_is_no_limit_is_told_with_what_to_write(key: str, written: object, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Budget.model_validate({key: written})
    [mistake] = mistakes_of(caught.value, Budget)
    assert mistake.path == (key,)
    assert mistake.message.startswith(told)


def test_memory_is_limited_once() -> None:
    with pytest.raises(ValidationError, match="memory and memory_gib are the same limit; write one of them"):
        Budget(memory="50%", memory_gib=1)
    with pytest.raises(ValidationError, match="are the same limit"):
        Budget.model_validate({"scenarios": {"chat": {"memory": "50%", "memory_gib": 1}}})
    apart = Budget.model_validate({"memory_gib": 1, "scenarios": {"chat": {"memory": "50%"}}})
    assert set(apart.parsed) == {"memory", "chat.memory"}


def test_times_without_a_machine_are_told_each_at_its_key() -> None:
    budget = Budget.model_validate({"decode_ms": 1, "tokens_per_s": 1, "scenarios": {"chat": {"tpot_ms": 1}}})
    with pytest.raises(UserError) as caught:
        budget.limits({"params": 1.0, "memory": 1.0, "chat.memory": 1.0})
    assert [line.partition(": ")[0] for line in caught.value.lines] == [
        "budget.tokens_per_s", "budget.decode_ms", "budget.scenarios.chat.tpot_ms",
    ]  # fmt: skip
    assert all(
        "times need a machine and a cost model that knows it; add `hardware: h100-sxm`" in line
        for line in caught.value.lines
    )


@pytest.mark.parametrize(
    ("scenarios", "told"), [(CHAT, "no scenario is called 'chta', did you mean 'chat'?"), ({}, "there is none in")]
)
def test_a_scenario_that_is_not_there_is_told(scenarios: dict[str, float], told: str) -> None:
    budget = Budget.model_validate({"scenarios": {"chta": {"memory": "50%"}}})
    with pytest.raises(UserError) as caught:
        budget.limits({**PARENT, **scenarios})
    assert str(caught.value).startswith("budget.scenarios.chta.memory: no scenario is called 'chta'")
    assert told in str(caught.value)


def test_a_budget_survives_json_as_it_was_written() -> None:
    budget = Budget.model_validate({"tokens_per_s": "2.17x", "scenarios": {"chat": {"decode_ms": "12.5 ms"}}})
    again = Budget.model_validate(budget.model_dump(mode="json"))
    assert again == budget
    assert dict(again.written()) == {"tokens_per_s": "2.17x"}
