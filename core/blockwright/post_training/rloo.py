"""RLOO: TRL's RLOOTrainer on prompts in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from blockwright.post_training.reinforcing_settings import ReinforcingSettings

if TYPE_CHECKING:
    from blockwright.post_training.job import TrlJob

TRAINS = "blockwright.post_training.rloo:train"


class RlooSettings(ReinforcingSettings):
    """REINFORCE against the mean of the other replies of the group (arXiv 2402.14740).

    `normalise`: advantages are scaled to mean 0 and deviation 1 over the batch. `beta`, the weight of the KL to the
    child as it came, is a part of the reward here.
    """

    beta: NonNegativeFloat = 0.05
    normalise: bool = False


def train(job: TrlJob) -> None:
    """In every process of the job."""
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    from blockwright.post_training.reinforcing import run_trainer

    settings = RlooSettings.model_validate(dict(job.options))
    run_trainer(job, settings, RLOOTrainer, RLOOConfig, {"normalize_advantages": settings.normalise})
