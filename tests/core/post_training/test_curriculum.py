from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from pydantic import BaseModel

from blockwright.post_training.curriculum import Curriculum, CurriculumOption, ordered

RATES = [eighths / 8 for eighths in range(7) for _ in range(30)]


def mean_rates(batches: list[list[int]]) -> list[float]:
    return [sum(RATES[index] for index in batch) / len(batch) for batch in batches]


def test_batches_go_from_easy_to_hard() -> None:
    means = mean_rates(ordered(RATES, 10, 12, Curriculum(), seed=0))
    assert means[0] > 0.5
    assert means[-1] < 0.25
    assert all(earlier > later - 0.08 for earlier, later in pairwise(means))


def test_a_target_that_stays_draws_around_itself() -> None:
    means = mean_rates(ordered(RATES, 5, 12, Curriculum(first=0.5, last=0.5, width=0.1), seed=0))
    assert all(abs(mean - 0.5) < 0.1 for mean in means)


def test_no_prompt_comes_again_before_all_have_come() -> None:
    for curriculum in (Curriculum(), "off"):
        batches = ordered(RATES, 35, 12, curriculum, seed=0)  # type: ignore[arg-type]
        assert all(len(batch) == 12 for batch in batches)
        counts = Counter(index for batch in batches for index in batch)
        assert set(counts.values()) == {2}
        assert len(counts) == len(RATES)


def test_what_is_left_of_a_batch_comes_of_the_largest_pool() -> None:
    rates = [0.75] * 2 + [0.25] * 5 + [0.0] * 3
    batch = ordered(rates, 1, 4, Curriculum(first=0.75, last=0.75, width=0.01), seed=0)[0]
    assert Counter(rates[index] for index in batch) == {0.75: 2, 0.25: 2}


def test_without_a_curriculum_easy_and_hard_are_mixed_and_a_seed_gives_one_order() -> None:
    batches = ordered(RATES, 10, 12, "off", seed=1)
    assert batches == ordered(RATES, 10, 12, "off", seed=1)
    assert batches != ordered(RATES, 10, 12, "off", seed=2)
    assert abs(sum(mean_rates(batches)[:5]) - sum(mean_rates(batches)[5:])) < 0.8


@pytest.mark.parametrize("written", [False, None, "off"])  # YAML reads `off` as false
def test_off_is_written_as_yaml_has_it(written: object) -> None:
    class Options(BaseModel):
        curriculum: CurriculumOption = Curriculum()

    assert Options.model_validate({"curriculum": written}).curriculum == "off"
    assert Options.model_validate({"curriculum": {"width": 0.1}}).curriculum == Curriculum(width=0.1)
