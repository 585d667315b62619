"""`rloo`: the child learns to follow instructions whose constraints can be checked."""

from __future__ import annotations

from pydantic import Field

from blockwright.plugins import hookimpl
from blockwright.post_training.constraints import InstructionSource
from blockwright.post_training.curriculum import CurriculumOption
from blockwright.post_training.reinforcing_stage import ReinforcingOptions, ReinforcingStage
from blockwright.post_training.rewards import RewardChoice
from blockwright.post_training.rloo import TRAINS, RlooSettings
from blockwright.post_training.thinking import ModeInYaml
from blockwright.stages import Stage


def _constraints() -> tuple[RewardChoice, ...]:
    return (RewardChoice(name="constraints"),)


class RlooOptions(RlooSettings, ReinforcingOptions):
    """Without other words: instructions of our own, asked with thinking off, and the share of constraints kept."""

    instructions: InstructionSource | None = InstructionSource()
    rewards: tuple[RewardChoice, ...] = Field(default_factory=_constraints, min_length=1)
    modes: tuple[ModeInYaml, ...] = Field(default=("off",), min_length=1)
    pass_rate_samples: int = Field(default=0, ge=0)
    curriculum: CurriculumOption = "off"


class RlooStage(ReinforcingStage):
    """Trains on TRL's RLOOTrainer."""

    name = "rloo"
    Options = RlooOptions
    Settings = RlooSettings
    trains = TRAINS
    contract_options = (
        {
            "instructions": {"count": 8},
            "heldout": 1,
            "reply_tokens": 8,
            "steps": 2,
            "batch_size": 4,
            "samples": 2,
            "learning_rate": 1e-3,
        },
    )


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [RlooStage]
