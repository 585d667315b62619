"""Learning from the child's own replies on TRL's GRPOTrainer and RLOOTrainer: what they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockwright.files import write_atomically
from blockwright.post_training.job import TrlJob
from blockwright.post_training.models import open_tokenizer, open_trainee
from blockwright.post_training.prompts import Prompt
from blockwright.post_training.reinforcing_settings import PROMPTS, SAMPLES, SERVED, ReinforcingSettings
from blockwright.post_training.rewards import Rewards, Sample
from blockwright.post_training.rollouts import sample_of
from blockwright.post_training.saving import is_first_process
from blockwright.post_training.trl_runs import (
    common_arguments,
    newest_checkpoint,
    quiet_trl,
    read_lines,
    train_to_the_end,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

RewardFunction = Callable[..., list[float]]


def write_prompts(folder: Path, prompts: Sequence[Prompt]) -> None:
    """In the order in which they are to be asked."""
    with write_atomically(folder / PROMPTS) as beside:
        beside.write_text("".join(prompt.model_dump_json() + "\n" for prompt in prompts))


def run_trainer(
    job: TrlJob,
    settings: ReinforcingSettings,
    trainer: Callable[..., Trainer],
    config: Callable[..., Any],
    own: Mapping[str, Any],
) -> None:
    """In every process of the job; `own` are those arguments that this trainer alone has."""
    model, tokenizer = open_trainee(job.child, settings.precision), open_tokenizer(job.child)
    rewards = Rewards.of(settings.rewards)
    _cut_samples(job)
    scoring = _Scoring(rewards, tokenizer, _ends(model, tokenizer), job.directory / SAMPLES)
    if settings.vllm:
        model.name_or_path = str(job.directory / SERVED)  # which TRL opens vLLM with; the reference is config's
    with quiet_trl():
        made = trainer(
            model=model,
            reward_funcs=scoring.functions(),
            args=config(**arguments(job, settings), **own),
            train_dataset=_rows(job),
            processing_class=tokenizer,
        )
    train_to_the_end(made, job, settings.keep)


def arguments(job: TrlJob, settings: ReinforcingSettings) -> dict[str, Any]:
    """What GRPOConfig and RLOOConfig both take from our settings."""
    served = {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": settings.vllm_server}
    return {
        **common_arguments(settings, job),
        "num_generations": settings.samples,
        "max_completion_length": settings.reply_tokens,
        "steps_per_generation": settings.accumulate * settings.updates,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "beta": settings.beta,
        "epsilon": settings.epsilon,
        "mask_truncated_completions": settings.mask_cut_replies,
        "reward_weights": Rewards.of(settings.rewards).weights,
        "shuffle_dataset": False,  # the curriculum has put them in order
        "generation_kwargs": {"use_cache": True},
        **(served if settings.vllm_server else {"use_vllm": settings.vllm}),
    }


def _ends(model: BlockwrightForCausalLM, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    from blockwright.models.generation import end_tokens

    return end_tokens(model, tokenizer)


def _rows(job: TrlJob) -> Any:
    from datasets import Dataset

    prompts = [Prompt.model_validate(row) for row in read_lines(job.directory / PROMPTS)]
    return Dataset.from_list([{"prompt": prompt.messages, "asked": prompt.model_dump_json()} for prompt in prompts])


class _Scoring:
    """The rewards as functions that TRL calls one after the other, and a line in a file for each reply.

    The file has the replies that the first process judged, with the update that they are first used in.
    """

    def __init__(self, rewards: Rewards, tokenizer: PreTrainedTokenizerBase, ends: frozenset[int], kept: Path) -> None:
        self._rewards, self._tokenizer, self._ends, self._kept = rewards, tokenizer, ends, kept
        self._scores: dict[str, list[float]] = {}
        self._samples: list[Sample] = []

    def functions(self) -> list[RewardFunction]:
        return [self._function(name) for name in self._rewards.by_name]

    def _function(self, name: str) -> RewardFunction:
        reward = self._rewards.by_name[name]

        def score(
            completion_ids: list[list[int]], asked: list[str], trainer_state: Any, **unused: object
        ) -> list[float]:
            if not self._scores:  # the first reward of a rollout; the others judge the same replies
                self._samples = [
                    sample_of(_prompt(text), tokens, self._tokenizer, self._ends)
                    for text, tokens in zip(asked, completion_ids, strict=True)
                ]
            scores = self._scores[name] = [reward.score(sample) for sample in self._samples]
            if len(self._scores) == len(self._rewards.by_name):
                self._write(trainer_state.global_step + 1)
            return scores

        score.__name__ = name  # the name in TRL's log
        return score

    def _write(self, step: int) -> None:
        scores, self._scores = self._scores, {}
        if not is_first_process():
            return
        with self._kept.open("a") as lines:
            for index, sample in enumerate(self._samples):
                of_rewards = {name: values[index] for name, values in scores.items()}
                line = {
                    "step": step,
                    "mode": sample.mode,
                    "question": sample.question.text,
                    "answer": sample.question.answer,
                    "reply": sample.reply,
                    "tokens": sample.tokens,
                    "rewards": of_rewards,
                    "total": self._rewards.total(of_rewards),
                }
                lines.write(json.dumps(line) + "\n")


@lru_cache(maxsize=4096)
def _prompt(text: str) -> Prompt:
    return Prompt.model_validate_json(text)


def _cut_samples(job: TrlJob) -> None:
    """What was sampled after the checkpoint that the training goes on from is sampled again."""
    path = job.directory / SAMPLES
    if not is_first_process() or not path.exists():
        return
    newest = newest_checkpoint(job.checkpoints)
    done = 0 if newest is None else int(newest.name.rpartition("-")[2])
    kept = [line for line in path.read_text().splitlines() if _step_of(line) <= done]
    with write_atomically(path, grows=True) as beside:
        beside.write_text("".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    """Infinity for a line that a kill has cut."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
