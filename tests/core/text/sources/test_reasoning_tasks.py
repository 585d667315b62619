"""Questions with answers from the package reasoning-gym, where it is installed."""

from __future__ import annotations

import sys
from itertools import islice

import pytest

from blockwright.errors import UserError
from blockwright.text.sources import documents
from blockwright.text.sources.reading import Reading


def test_an_absent_package_says_what_to_type(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    monkeypatch.delitem(sys.modules, "reasoning_gym.factory", raising=False)
    with pytest.raises(UserError, match="type `pip install reasoning-gym`"):
        documents("reasoning-gym:gsm_symbolic", reading)


def test_tasks_take_turns_and_each_document_has_its_answer(reading: Reading) -> None:
    gym = pytest.importorskip("reasoning_gym")
    texts = list(islice(documents("reasoning-gym:basic_arithmetic,leg_counting", reading), 4))
    assert ["leg" in text for text in texts] == [False, True, False, True]
    assert gym.create_dataset("leg_counting", size=1, seed=0)[0]["answer"].isdigit()
    assert all(text.strip().splitlines()[-1].lstrip("-").isdigit() for text in texts)


def test_an_unknown_task_gets_the_nearest(reading: Reading) -> None:
    pytest.importorskip("reasoning_gym")
    with pytest.raises(UserError, match="no task 'leg_countin', did you mean 'leg_counting'"):
        documents("reasoning-gym:leg_countin", reading)
