"""`math-verify`: the answer is mathematically the same as the expected one, however it is written."""

from __future__ import annotations

import threading

from pydantic import model_validator

from blockwright.plugins import hookimpl
from blockwright.post_training.rewards import Reward, RewardOptions, Sample
from blockwright.post_training.settings import INSTALL, missing_modules

PATIENCE_S = 5  # for one answer, which may be a long formula


class MathVerifyOptions(RewardOptions):
    """`weight` alone."""

    @model_validator(mode="before")
    @classmethod
    def _math_verify_is_installed(cls, data: object) -> object:
        if missing_modules(("math_verify",)):
            raise ValueError(f"math-verify not installed; {INSTALL}")
        return data


class MathVerifyReward(Reward):
    """1 where math-verify finds the expected value in the answer, as LaTeX or as an expression, else 0."""

    name = "math-verify"
    Options = MathVerifyOptions

    def score(self, sample: Sample) -> float:
        from math_verify import parse, verify

        # its clock is a signal, which only the main thread may set
        patience = PATIENCE_S if threading.current_thread() is threading.main_thread() else None
        expected = parse(sample.question.answer, parsing_timeout=patience)
        answer = parse(sample.answer, parsing_timeout=patience)
        return float(verify(expected, answer, timeout_seconds=patience))


@hookimpl
def register_rewards() -> list[type[Reward]]:
    return [MathVerifyReward]
