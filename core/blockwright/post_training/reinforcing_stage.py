"""The stages that learn from the child's own replies: what is asked, what comes before training and what after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveInt, model_validator

from blockwright.post_training.constraints import InstructionSource
from blockwright.post_training.curriculum import Curriculum, CurriculumOption
from blockwright.post_training.prompts import PromptSources
from blockwright.post_training.questions import GeneratorSource
from blockwright.post_training.reinforcing_settings import COLUMNS, SAMPLES, SERVED, ReinforcingSettings
from blockwright.post_training.thinking import ModeInYaml
from blockwright.stages import ShownReply, Stage, StageContext, StageResult
from blockwright.training.settings import Share

if TYPE_CHECKING:
    from blockwright.models.generation import Decoding
    from blockwright.post_training.job import TrlJob, TrlOutcome
    from blockwright.post_training.prompts import Prompt
    from blockwright.post_training.rewards import Rewards
    from blockwright.post_training.rollouts import Replies


class ReinforcingOptions(ReinforcingSettings):
    """What is asked, beside how it is learned from.

    `questions`: generators of reasoning-gym; `files`: JSONL of questions and answers; `instructions`: ones whose
    constraints can be checked. Each is asked in all `modes` of the toggle. `pass_rate_samples`: replies to each prompt
    before training (0: none), whose pass rate drops the prompts that pass at more than `drop_above` and gives the rest
    to the `curriculum` (`off`: shuffled). `steps`: without it, all prompts are asked `epochs` times. `heldout`: how
    many questions the rewards are measured on before and after, in each mode, with greedy replies.
    """

    questions: tuple[GeneratorSource, ...] = ()
    files: tuple[Path, ...] = ()
    instructions: InstructionSource | None = None
    modes: tuple[ModeInYaml, ...] = Field(default=("on", "off"), min_length=1)
    pass_rate_samples: int = Field(default=8, ge=0)
    drop_above: Share = 0.75
    curriculum: CurriculumOption = Curriculum()
    heldout: int = Field(default=100, ge=0)
    answers_at_once: PositiveInt = 64

    @model_validator(mode="after")
    def _asks_something(self) -> ReinforcingOptions:
        if not self.questions and not self.files and self.instructions is None:
            raise ValueError("nothing is asked; give questions (generators), files (JSONL) or instructions")
        if self.curriculum != "off" and not self.pass_rate_samples:
            raise ValueError("a curriculum needs pass rates; give pass_rate_samples, or curriculum: off")
        return self

    @property
    def sources(self) -> PromptSources:
        return PromptSources(
            questions=self.questions, files=self.files, instructions=self.instructions, modes=self.modes
        )


class ReinforcingStage(Stage):
    """Measures, drops and orders the prompts, trains, and measures again."""

    Options: ClassVar[type[ReinforcingOptions]]
    Settings: ClassVar[type[ReinforcingSettings]]
    trains: ClassVar[str]

    def run(self, context: StageContext) -> StageResult:
        from blockwright.post_training.job import run_job
        from blockwright.post_training.rewards import Rewards

        options, folder = self._options, context.directory
        _refuse_without_template(context.child)
        rewards = Rewards.of(options.rewards)
        heldout = options.sources.heldout(options.heldout)
        before = self._greedy(context.child, heldout, rewards, folder / "heldout-before.jsonl")
        kept, left_out, rates = self._chosen(context, options.sources.training(heldout), rewards)
        steps = self._write_prompts(context, kept, rates)
        outcome = run_job(self._job(context, steps), options.launcher)
        after = self._greedy(outcome.child, heldout, rewards, folder / "heldout-after.jsonl")
        figures = {**_figures(outcome, options), **_measured(before, after, rewards, options.modes)}
        notes = tuple(_notes(left_out, rates, options, outcome))
        return StageResult(outcome.child, figures, notes, outcome.curves(_columns(rewards)), _shown(folder / SAMPLES))

    @property
    def _options(self) -> ReinforcingOptions:
        assert isinstance(self.options, ReinforcingOptions)
        return self.options

    def _greedy(self, child: Path, prompts: Sequence[Prompt], rewards: Rewards, kept: Path) -> list[Replies]:
        from blockwright.post_training.rollouts import judged_replies

        return judged_replies(child, prompts, rewards, self._decoding(0.0, 0), kept) if prompts else []

    def _decoding(self, temperature: float, seed: int) -> Decoding:
        from blockwright.models.generation import Decoding

        options = self._options
        return Decoding(options.reply_tokens, temperature, options.top_p, seed, options.answers_at_once)

    def _chosen(
        self, context: StageContext, prompts: list[Prompt], rewards: Rewards
    ) -> tuple[list[Prompt], int, list[float]]:
        """The prompts that the child does not pass too often, how many it does, and the pass rates of the former."""
        from blockwright.errors import UserError
        from blockwright.post_training.rollouts import judged_replies

        options = self._options
        if not options.pass_rate_samples:
            return prompts, 0, []
        decoding = self._decoding(options.temperature, context.seed + 1)
        kept = context.directory / "pass-rates.jsonl"
        replies = judged_replies(context.child, prompts, rewards, decoding, kept, options.pass_rate_samples)
        rated = [(each.prompt, each.pass_rate(rewards)) for each in replies]
        harder = [(prompt, rate) for prompt, rate in rated if rate <= options.drop_above]
        if not harder:
            raise UserError(
                f"stages: {self.name}: the child passes all {len(rated)} prompts at more than drop_above "
                f"({options.drop_above}); ask harder questions"
            )
        return [prompt for prompt, _ in harder], len(rated) - len(harder), [rate for _, rate in harder]

    def _write_prompts(self, context: StageContext, kept: Sequence[Prompt], rates: Sequence[float]) -> int:
        """All prompts in their order; returns for how many steps they last."""
        from blockwright.post_training.curriculum import ordered
        from blockwright.post_training.reinforcing import write_prompts

        options = self._options
        steps = options.steps or max(1, options.epochs * len(kept) * options.samples // options.batch_size)
        rollouts = -(-steps // options.updates)
        order = ordered(rates or [0.0] * len(kept), rollouts, options.prompts_at_once, options.curriculum, context.seed)
        write_prompts(context.directory, [kept[index] for batch in order for index in batch])
        return steps

    def _job(self, context: StageContext, steps: int) -> TrlJob:
        from blockwright.post_training.job import TrlJob

        if self._options.vllm:
            _export(context.child, context.directory / SERVED)
        settings = self._options.model_copy(update={"steps": steps})
        return TrlJob.of(context, self.trains, settings, self.Settings)


def _refuse_without_template(child: Path) -> None:
    from blockwright.errors import UserError
    from blockwright.post_training.models import open_tokenizer

    if open_tokenizer(child).chat_template is None:
        raise UserError("stages: the child's tokenizer has no chat template; put reasoning-sft before this stage")


def _export(child: Path, folder: Path) -> None:
    """What vLLM opens before it gets the trained weights for the first time; what it cannot run is refused here."""
    from blockwright.exporting.exporting import export_child
    from blockwright.exporting.requests import find_child, make_exporter

    if not folder.exists():
        path, origin = find_child(str(child))
        export_child(make_exporter("vllm"), path, folder, origin)


def _columns(rewards: Rewards) -> Mapping[str, str]:
    """Each reward has a curve of its own where there are many."""
    each = {f"rewards/{name}/mean": f"{name} (points)" for name in rewards.by_name} if len(rewards.by_name) > 1 else {}
    return {**COLUMNS, **each}


def _figures(outcome: TrlOutcome, options: ReinforcingOptions) -> dict[str, float]:
    figures = {"steps": float(outcome.steps)}
    variance, lengths = outcome.curve("frac_reward_zero_std"), outcome.curve("completions/mean_length")
    if variance:
        figures["groups without variance (share)"] = sum(value for _, value in variance) / len(variance)
    figures["tokens written"] = sum(value for _, value in lengths) * options.replies
    return figures


def _measured(
    before: Sequence[Replies], after: Sequence[Replies], rewards: Rewards, modes: Sequence[ModeInYaml]
) -> dict[str, float]:
    from blockwright.post_training.rollouts import means

    figures: dict[str, float] = {}
    for moment, replies in (("before", before), ("after", after)):
        for mode in modes:
            for name, value in means(replies, rewards, mode).items():
                figures[f"{name} with {mode}, {moment}"] = value
    return figures


def _notes(left_out: int, rates: Sequence[float], options: ReinforcingOptions, outcome: TrlOutcome) -> Iterator[str]:
    if rates:
        never = sum(rate == 0 for rate in rates)
        yield (
            f"{left_out} prompts that pass at more than {options.drop_above} of {options.pass_rate_samples} tries were "
            f"dropped; of the {len(rates)} others {never} never pass, and the mean pass rate is "
            f"{sum(rates) / len(rates):.2f}"
        )
    variance = [value for _, value in outcome.curve("frac_reward_zero_std")]
    if variance and sum(variance) / len(variance) > 0.5:
        yield "more than half of the groups had no variance and taught nothing; ask questions of another difficulty"
    if not options.heldout:
        yield "the rewards were not measured before and after: no held-out questions"


def _shown(file: Path) -> tuple[ShownReply, ...]:
    """The best and the worst reply of the first, the middle and the last rollout, in each mode."""
    from blockwright.post_training.trl_runs import read_lines

    rows = read_lines(file) if file.exists() else []
    steps = sorted({row["step"] for row in rows})
    shown = []
    for step in dict.fromkeys(steps[place] for place in (0, len(steps) // 2, -1) if steps):
        for mode in ("on", "off"):
            of_mode = [row for row in rows if row["step"] == step and row["mode"] == mode]
            chosen = {id(row): row for choose in (max, min) if of_mode for row in [choose(of_mode, key=_total)]}
            shown += [
                ShownReply(f"step {step}, thinking {mode}", row["question"], row["reply"], row["rewards"])
                for row in chosen.values()
            ]
    return tuple(shown)


def _total(row: Mapping[str, float]) -> float:
    return row["total"]
