"""A scenario says what the steps of a model are: one prompt alone, and one token of every sequence."""

from __future__ import annotations

from math import ceil

import pytest
from pydantic import ValidationError

from blockwright.costs import Scenario
from blockwright.errors import UserError
from blockwright.hardware.operations import ContextAttention, GenerationAttention

CHAT = Scenario(batch=16, input_tokens=1000, output_tokens=200)


def test_prefill_is_one_prompt_alone() -> None:
    work = CHAT.prefill
    assert (work.phase, work.sequences, work.tokens, work.kv_tokens) == ("prefill", 1, 1000, 1000)
    assert work.rows == 1000


def test_decode_is_one_token_of_every_sequence_half_way_through_the_answers() -> None:
    work = CHAT.decode
    assert (work.phase, work.sequences, work.tokens, work.kv_tokens) == ("decode", 16, 1, 1100)
    assert work.rows == 16


def test_one_answered_token_attends_to_itself() -> None:
    assert Scenario(input_tokens=7, output_tokens=1).decode.kv_tokens == 8


def test_the_full_cache_holds_prompts_and_answers_of_the_batch() -> None:
    assert CHAT.kv_tokens == 16 * 1200


@pytest.mark.parametrize(("weights", "stream"), [("fp8", "bf16"), ("bf16", "bf16"), ("fp16", "fp16"), ("fp32", "fp32")])
def test_the_stream_is_in_the_precision_that_fits_the_weights(weights: str, stream: str) -> None:
    assert Scenario.model_validate({"weights": weights}).decode.stream == stream


@pytest.mark.parametrize("gpus", [1, 2, 3, 8])
def test_the_share_of_a_dimension_is_the_largest_that_any_gpu_has(gpus: int) -> None:
    work = Scenario(tensor_parallel=gpus).decode
    for size in (1, 7, 24, 128256):
        assert work.share(size) == ceil(size / gpus)


def test_attention_of_each_phase_is_its_own_operation() -> None:
    whole, step = (work.attention(32, 8, 128) for work in (CHAT.prefill, CHAT.decode))
    assert whole == ContextAttention("bf16", batch=1, heads=32, kv_heads=8, head_dim=128, tokens=1000)
    assert step == GenerationAttention("bf16", batch=16, heads=32, kv_heads=8, head_dim=128, kv_tokens=1100)


def test_attention_reads_its_cache_in_the_caches_precision() -> None:
    step = Scenario(weights="bf16", kv="fp8").decode.attention(32, 8, 128)
    assert step.precision == "fp8"


@pytest.mark.parametrize(("gpus", "kv_heads"), [(2, 4), (4, 2), (8, 1)])
def test_gpus_share_the_heads(gpus: int, kv_heads: int) -> None:
    shared = Scenario(tensor_parallel=gpus).decode.attention(32, 8, 128)
    assert isinstance(shared, GenerationAttention)
    assert (shared.heads, shared.kv_heads) == (32 // gpus, kv_heads)


def test_kv_heads_that_are_fewer_than_the_gpus_are_on_each_of_them() -> None:
    shared = Scenario(tensor_parallel=8).decode.attention(32, 2, 128)
    assert isinstance(shared, GenerationAttention)
    assert shared.kv_heads == 1


def test_heads_that_do_not_divide_are_refused_with_what_does() -> None:
    with pytest.raises(UserError) as caught:
        Scenario(tensor_parallel=2).decode.attention(9, 3, 64)
    assert str(caught.value) == ("9 attention heads cannot be split over 2 GPUs; tensor_parallel can be 1, 3")


@pytest.mark.parametrize(
    "wrong",
    [{"batch": 0}, {"input_tokens": -1}, {"output_tokens": 0}, {"tensor_parallel": 0}, {"tensor_parallel": 9},
     {"weights": "int4"}, {"kv": "fp4"}, {"bach": 3}],
)  # fmt: skip
def test_impossible_scenarios_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Scenario.model_validate(wrong)


def test_a_scenario_is_frozen_and_equal_by_value() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CHAT.batch = 2  # type: ignore[misc]
    assert Scenario(batch=16, input_tokens=1000, output_tokens=200) == CHAT
    assert Scenario.model_validate(CHAT.model_dump(mode="json")) == CHAT
