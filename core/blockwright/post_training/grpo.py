"""GRPO: TRL's GRPOTrainer on prompts in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from blockwright.post_training.reinforcing_settings import ReinforcingSettings

if TYPE_CHECKING:
    from blockwright.post_training.job import TrlJob

TRAINS = "blockwright.post_training.grpo:train"


class GrpoSettings(ReinforcingSettings):
    """Group relative policy optimisation (arXiv 2402.03300).

    `loss`: how the loss of tokens is averaged, over replies (`grpo`) or over all tokens (`dapo`, `dr_grpo`, `bnpo`).
    `scale_rewards`: advantages are divided by the deviation of their group, of the batch, or not at all.
    `epsilon_high`: where the ratio is clipped above 1; without it as below.
    """

    loss: Literal["grpo", "dapo", "dr_grpo", "bnpo"] = "grpo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    epsilon_high: PositiveFloat | None = None


def train(job: TrlJob) -> None:
    """In every process of the job."""
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    from blockwright.post_training.reinforcing import run_trainer

    settings = GrpoSettings.model_validate(dict(job.options))
    own = {
        "loss_type": settings.loss,
        "scale_rewards": settings.scale_rewards,
        "epsilon_high": settings.epsilon_high,
    }
    run_trainer(job, settings, GRPOTrainer, GRPOConfig, own)
