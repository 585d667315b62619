"""Reasoning SFT: TRL's SFTTrainer on conversations in a file, with the loss on what the assistant says alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PositiveInt

from blockwright.errors import UserError
from blockwright.files import write_atomically
from blockwright.post_training.job import TrlJob
from blockwright.post_training.models import open_tokenizer, open_trainee
from blockwright.post_training.saving import TEMPLATE, save_trained
from blockwright.post_training.settings import PostTrainingOptions
from blockwright.post_training.templates import ChatTemplate, conversation_tokens, learned_tokens
from blockwright.post_training.trl_runs import common_arguments, quiet_trl, read_lines, train_to_the_end

if TYPE_CHECKING:
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from blockwright.post_training.pairs import Conversation

CONVERSATIONS = "conversations.jsonl"
TRAINS = "blockwright.post_training.sft:train"


class SftSettings(PostTrainingOptions):
    """Supervised fine-tuning.

    `sequence_length`: tokens of a packed sequence; longer conversations are left out. `packing`: puts several
    conversations into one sequence, where each sees itself alone.
    """

    sequence_length: PositiveInt = 1024
    packing: bool = True


def write_conversations(
    folder: Path, conversations: Iterable[Conversation], child: Path, template: ChatTemplate, longest: int
) -> int:
    """Writes what the job reads, template and conversations; returns how many were longer than that and left out."""
    tokenizer, left_out, kept = open_tokenizer(child), 0, list[str]()
    for messages in conversations:
        fits = len(conversation_tokens(tokenizer, messages, template.text)) <= longest
        left_out += not fits
        kept += [json.dumps({"messages": messages})] if fits else []
    if not kept:
        raise UserError(f"stages: all {left_out} conversations are longer than {longest} tokens; raise sequence_length")
    for name, text in ((TEMPLATE, template.text), (CONVERSATIONS, "\n".join(kept) + "\n")):
        with write_atomically(folder / name) as beside:
            beside.write_text(text)
    return left_out


def train(job: TrlJob) -> None:
    """In every process of the job."""
    options = SftSettings.model_validate(dict(job.options))
    rows = read_lines(job.directory / CONVERSATIONS)
    template = (job.directory / TEMPLATE).read_text()
    trainer = _trainer(job, options, rows, template)
    _, learned = learned_tokens(trainer.processing_class, template, rows[0]["messages"])  # type: ignore[arg-type]
    save = partial(
        save_trained,
        model=trainer.model,  # type: ignore[arg-type]
        given=job.child,
        chat_template=template,
        end_tokens=learned[-1:],
    )
    train_to_the_end(trainer, job, options.keep, save)


def _trainer(job: TrlJob, options: SftSettings, rows: list[dict[str, Any]], template: str) -> SFTTrainer:
    from datasets import Dataset
    from trl.trainer.sft_trainer import SFTTrainer

    tokenizer = open_tokenizer(job.child)
    tokenizer.chat_template = template
    model = open_trainee(job.child, options.precision)
    with quiet_trl():
        return SFTTrainer(
            model=model,
            args=_arguments(job, options, str(model.config._attn_implementation)),
            train_dataset=Dataset.from_list(rows).shuffle(seed=job.seed),
            processing_class=tokenizer,
        )


def _arguments(job: TrlJob, options: SftSettings, attention: str) -> SFTConfig:
    from trl.trainer.sft_config import SFTConfig

    common = common_arguments(options, job)
    if options.packing and attention != "flash_attention_2":
        # TRL lays the packed sequences of a batch end to end, and plain attention would look at all pairs of tokens
        common["gradient_accumulation_steps"] *= common["per_device_train_batch_size"]
        common["per_device_train_batch_size"] = 1
    return SFTConfig(**common, max_length=options.sequence_length, packing=options.packing, assistant_only_loss=True)
