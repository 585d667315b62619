from __future__ import annotations

import math

from blockwright.training.settings import SpikeRule
from blockwright.training.spikes import SpikeWatch

RULE = SpikeRule(factor=2.0, steps=3, window=4)
CALM = [1.0, 1.1, 0.9, 1.0]


def test_a_loss_that_stays_high_for_so_many_steps_stops() -> None:
    watch = SpikeWatch(RULE, CALM)
    assert [watch.see(2.5) for _ in range(2)] == [None, None]
    assert watch.suspicious
    reason = watch.see(2.5)
    assert reason == "the loss (2.5) was above 2 × its median (1) for 3 steps"


def test_a_spike_that_passes_is_forgotten_and_is_not_what_is_usual() -> None:
    watch = SpikeWatch(RULE, CALM)
    assert [watch.see(loss) for loss in (9.0, 9.0, 1.0, 9.0, 9.0)] == [None] * 5
    assert watch.see(9.0) is not None


def test_no_loss_is_high_before_there_are_enough_to_compare_with() -> None:
    watch = SpikeWatch(RULE)
    assert [watch.see(loss) for loss in (1.0, 50.0, 50.0, 50.0)] == [None] * 4
    assert not watch.suspicious


def test_a_loss_that_is_no_number_stops_at_once() -> None:
    assert SpikeWatch(RULE).see(math.nan) == "the loss is nan"


def test_a_watch_that_is_made_again_of_the_losses_judges_alike() -> None:
    first = SpikeWatch(RULE, CALM)
    for loss in (5.0, 5.0):
        first.see(loss)
    again = SpikeWatch(RULE, [*CALM, 5.0, 5.0])
    assert again.see(5.0) == first.see(5.0) is not None
