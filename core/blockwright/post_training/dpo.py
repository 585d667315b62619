"""Learning from preferences: TRL's DPOTrainer on pairs of replies in a file, one chosen and one rejected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from blockwright.errors import UserError
from blockwright.files import write_atomically
from blockwright.post_training.json_lines import json_lines
from blockwright.post_training.settings import PostTrainingOptions
from blockwright.post_training.thinking import Message

if TYPE_CHECKING:
    from blockwright.post_training.job import TrlJob

PREFERENCES = "preferences.jsonl"
TRAINS = "blockwright.post_training.dpo:train"
Loss = Literal[
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sigmoid_norm", "sft",
]  # fmt: skip
Preference = dict[str, list[Message]]  # prompt, chosen, rejected


class DpoSettings(PostTrainingOptions):
    """How preferences are learned (arXiv 2305.18290), with TRL's names for the losses.

    `batch_size`: pairs an update. `loss`: one or many, summed by their `loss_weights`. `rpo_alpha` adds that much of
    the chosen reply's negative log-likelihood per token, as RPO does (arXiv 2404.19733); TRL 1.16 has it as the loss
    `sft`. `beta`: how much the child may go away from itself as it came. `longest`: tokens of prompt and reply; longer
    pairs are left out. `stored_reference`: the reference's log-probabilities are computed once, before training, and
    no second model stays in memory.
    """

    batch_size: PositiveInt = 16
    learning_rate: PositiveFloat = 1e-6
    loss: tuple[Loss, ...] = Field(default=("sigmoid",), min_length=1)
    loss_weights: tuple[float, ...] | None = None
    rpo_alpha: NonNegativeFloat = 0.0
    beta: PositiveFloat = 0.1
    label_smoothing: NonNegativeFloat = Field(default=0.0, lt=0.5)
    longest: PositiveInt = 1024
    stored_reference: bool = False

    @field_validator("loss", mode="before", json_schema_input_type=Loss | tuple[Loss, ...])
    @classmethod
    def _one_loss_written_short(cls, written: object) -> object:
        return [written] if isinstance(written, str) else written

    @model_validator(mode="after")
    def _fits_together(self) -> DpoSettings:
        if self.loss_weights is not None and len(self.loss_weights) != len(self.loss):
            raise ValueError(f"loss_weights has {len(self.loss_weights)} numbers for {len(self.loss)} losses")
        if self.rpo_alpha and "sft" in self.loss:
            raise ValueError("rpo_alpha adds the loss sft, which loss names already; give its weight in one place")
        return self

    @property
    def weighted_losses(self) -> dict[str, float]:
        weights = self.loss_weights or (1.0,) * len(self.loss)
        chosen: dict[str, float] = dict(zip(self.loss, weights, strict=True))
        return {**chosen, "sft": self.rpo_alpha} if self.rpo_alpha else chosen


def read_preferences(file: Path) -> Iterator[Preference]:
    """Lines of `{"prompt", "chosen", "rejected"}`, each a text or a list of messages; a text is one message."""
    for place, data in json_lines(file, "preferences"):
        yield _preference(data, place)


def _preference(data: Any, place: str) -> Preference:
    parts = (("prompt", "user"), ("chosen", "assistant"), ("rejected", "assistant"))
    found = {part: _messages(data.get(part) if isinstance(data, dict) else None, role) for part, role in parts}
    if not all(found.values()):
        raise UserError(
            f'{place}: expected {{"prompt": …, "chosen": …, "rejected": …}}, each a text or a list of messages'
        )
    if found["chosen"] == found["rejected"]:
        raise UserError(f"{place}: chosen and rejected are the same; take the line out")
    return found


def _messages(given: Any, role: str) -> list[Message]:
    """Empty for what is neither."""
    if isinstance(given, str):
        return [{"role": role, "content": given}]
    messages = given if isinstance(given, list) else []
    good = all(isinstance(each, dict) and {"role", "content"} <= each.keys() for each in messages)
    return [{"role": each["role"], "content": each["content"]} for each in messages] if good else []


def write_preferences(folder: Path, preferences: Sequence[Preference], child: Path, longest: int) -> int:
    """Writes what the job reads; returns how many were longer than that and left out."""
    from blockwright.post_training.models import open_tokenizer
    from blockwright.post_training.templates import conversation_tokens

    tokenizer = open_tokenizer(child)
    if tokenizer.chat_template is None:
        raise UserError("stages: the child's tokenizer has no chat template; put reasoning-sft before dpo")
    kept = [
        each
        for each in preferences
        if max(len(conversation_tokens(tokenizer, each["prompt"] + each[end])) for end in ("chosen", "rejected"))
        <= longest
    ]
    if not kept:
        raise UserError(f"stages: all {len(preferences)} preferences are longer than {longest} tokens; raise longest")
    with write_atomically(folder / PREFERENCES) as beside:
        beside.write_text("".join(json.dumps(each) + "\n" for each in kept))
    return len(preferences) - len(kept)


def train(job: TrlJob) -> None:
    """In every process of the job."""
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    from blockwright.post_training.models import open_tokenizer, open_trainee
    from blockwright.post_training.trl_runs import common_arguments, quiet_trl, read_lines, train_to_the_end

    settings = DpoSettings.model_validate(dict(job.options))
    losses = settings.weighted_losses
    rows = read_lines(job.directory / PREFERENCES)
    with quiet_trl():
        trainer = DPOTrainer(
            model=open_trainee(job.child, settings.precision),
            args=DPOConfig(
                **common_arguments(settings, job),
                loss_type=list(losses),
                loss_weights=list(losses.values()),
                beta=settings.beta,
                label_smoothing=settings.label_smoothing,
                max_length=settings.longest,
                precompute_ref_log_probs=settings.stored_reference,
            ),
            train_dataset=Dataset.from_list(rows).shuffle(seed=job.seed),
            processing_class=open_tokenizer(job.child),
        )
    train_to_the_end(trainer, job, settings.keep)
