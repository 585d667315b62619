"""`grpo`: the child learns from its own replies to questions whose answers can be checked."""

from __future__ import annotations

from blockwright.plugins import hookimpl
from blockwright.post_training.grpo import TRAINS, GrpoSettings
from blockwright.post_training.reinforcing_stage import ReinforcingOptions, ReinforcingStage
from blockwright.stages import Stage


class GrpoOptions(GrpoSettings, ReinforcingOptions):
    """What is asked, and how GRPO learns from the replies."""


class GrpoStage(ReinforcingStage):
    """Trains on TRL's GRPOTrainer, with pass rates and a curriculum as in arXiv 2505.00949."""

    name = "grpo"
    Options = GrpoOptions
    Settings = GrpoSettings
    trains = TRAINS
    contract_options = (
        {
            "questions": [{"generator": "gcd", "count": 4}],
            "rewards": ["format", "length"],
            "heldout": 1,
            "pass_rate_samples": 2,
            "drop_above": 1.0,
            "reply_tokens": 4,
            "steps": 2,
            "batch_size": 4,
            "samples": 2,
            "learning_rate": 1e-3,
        },
    )


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [GrpoStage]
