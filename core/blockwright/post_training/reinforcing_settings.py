"""What a recipe may say of learning from the child's own replies, and the files of such a stage."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from blockwright.post_training.rewards import RewardChoice
from blockwright.post_training.settings import PostTrainingOptions, missing_modules

PROMPTS = "prompts.jsonl"
SAMPLES = "samples.jsonl"
SERVED = "served"
COLUMNS = {
    "reward": "reward (points)",
    "frac_reward_zero_std": "groups without variance (share)",
    "kl": "KL to the reference (nats per token)",
    "entropy": "entropy (nats per token)",
    "completions/mean_length": "reply length (tokens)",
    "completions/clipped_ratio": "replies cut at their longest (share)",
}


class ReinforcingSettings(PostTrainingOptions):
    """How a child learns from its own replies.

    `samples`: replies to each prompt, a group; `batch_size`: replies an update, over all processes. `rewards`: plugins
    or functions, with their weights; the first one says what a pass is. `reply_tokens`: how long a reply may be.
    `beta`: the weight of the KL to the child as it came, which is loaded beside it; without (0) it is not. `rollouts`
    of `updates` updates each: so many updates are made of the same replies before new ones are asked for. `vllm`:
    replies are written by vLLM in the same processes, from an export of the child; `vllm_server`: by `trl vllm-serve`
    at that address.
    """

    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-6
    samples: int = Field(default=8, ge=2)
    rewards: tuple[RewardChoice, ...] = Field(min_length=1)
    reply_tokens: PositiveInt = 256
    temperature: PositiveFloat = 1.0
    top_p: float = Field(default=1.0, gt=0, le=1)
    beta: NonNegativeFloat = 0.0
    epsilon: PositiveFloat = 0.2
    updates: PositiveInt = 1
    mask_cut_replies: bool = False
    vllm: bool = False
    vllm_server: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ReinforcingSettings:
        if self.replies % self.samples:
            raise ValueError(
                f"batch_size times updates ({self.replies}) must be a multiple of samples ({self.samples})"
            )
        if self.checkpoint_every % self.updates:
            raise ValueError(
                f"checkpoint_every ({self.checkpoint_every}) must be a multiple of updates ({self.updates}), "
                "so that a run goes on with replies of its own"
            )
        if len({choice.name for choice in self.rewards}) < len(self.rewards):
            raise ValueError("rewards: one is named twice; give it one weight")
        if (self.vllm or self.vllm_server) and missing_modules(("vllm",)):
            raise ValueError("vllm is not installed; type `pip install vllm`, or leave vllm and vllm_server out")
        return self

    @property
    def replies(self) -> int:
        """Of a rollout."""
        return self.batch_size * self.updates

    @property
    def prompts_at_once(self) -> int:
        return self.replies // self.samples
