from __future__ import annotations

import pytest

from blockwright.training.schedule import learning_rate
from blockwright.training.settings import TrainingSettings

SETTINGS = TrainingSettings(learning_rate=2.0, warmup=0.2, min_learning_rate=0.1)


def test_the_rate_rises_by_equal_steps_to_its_height_and_ends_at_its_least() -> None:
    rates = [learning_rate(SETTINGS, step, 10) for step in range(1, 11)]
    assert rates[:2] == [1.0, 2.0]
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(0.2)


def test_the_cosine_is_half_way_in_the_middle() -> None:
    assert learning_rate(SETTINGS, 6, 10) == pytest.approx((2.0 + 0.2) / 2)


def test_a_warmup_of_all_steps_or_of_none_is_possible() -> None:
    assert learning_rate(SETTINGS.model_copy(update={"warmup": 1.0}), 10, 10) == 2.0
    assert learning_rate(SETTINGS.model_copy(update={"warmup": 0.0}), 1, 1) == pytest.approx(0.2)
