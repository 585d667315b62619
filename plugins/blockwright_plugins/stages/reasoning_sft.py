"""`reasoning-sft`: the child learns to think when it is told to, and not to when it is told not to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveInt, model_validator

from blockwright.plugins import hookimpl
from blockwright.post_training.questions import GeneratorSource
from blockwright.post_training.settings import PostTrainingOptions
from blockwright.post_training.templates import DefaultMode
from blockwright.post_training.thinking import MODES
from blockwright.post_training.worked import WORKED
from blockwright.stages import ShownReply, Stage, StageContext, StageResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blockwright.models.generation import Decoding
    from blockwright.post_training.answering import Answers
    from blockwright.post_training.job import TrlJob, TrlOutcome
    from blockwright.post_training.questions import Question
    from blockwright.post_training.templates import ChatTemplate

SHOWN = 3  # held-out questions whose replies the report shows
CURVES = {"loss": "loss (nats per token)", "mean_token_accuracy": "tokens guessed right (share)"}


class ReasoningSftOptions(PostTrainingOptions):
    """What is learned, how, and what it is measured on.

    `questions`: generators of reasoning-gym, asked with their worked steps under `on` and with the answer alone under
    `off`. `messages`: JSONL files of conversations. `heldout`: how many questions of the same generators and other
    seeds the toggle is measured on, before and after; `answer_tokens`: how long such an answer may be.
    `default_thinking`: the mode of conversations that say none; `parent` renders them as before. `chat_template`: a
    Jinja file, or `chatml`, in place of the child's own template.
    """

    sequence_length: PositiveInt = 1024
    packing: bool = True
    questions: tuple[GeneratorSource, ...] = ()
    messages: tuple[Path, ...] = ()
    heldout: int = Field(default=100, ge=0)
    answer_tokens: PositiveInt = 256
    answers_at_once: PositiveInt = 32
    default_thinking: DefaultMode = "parent"
    chat_template: str | None = None

    without_effect: ClassVar[frozenset[str]] = PostTrainingOptions.without_effect | {"answers_at_once"}

    @model_validator(mode="after")
    def _has_something_to_learn(self) -> ReasoningSftOptions:
        if not self.questions and not self.messages:
            raise ValueError("nothing to learn from; give questions (generators) or messages (JSONL files)")
        for source in self.questions:
            if source.generator not in WORKED:
                raise ValueError(
                    f"questions: no worked steps are known for {source.generator} (there are for "
                    f"{', '.join(sorted(WORKED))}); give such questions as messages with their thinking"
                )
        return self


class ReasoningSftStage(Stage):
    """Trains on TRL's SFTTrainer and measures the toggle on questions that were not learned."""

    name = "reasoning-sft"
    Options = ReasoningSftOptions
    contract_options = (
        {
            "questions": [{"generator": "gcd", "count": 6}],
            "heldout": 2,
            "answer_tokens": 4,
            "steps": 2,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "sequence_length": 384,
        },
    )

    def run(self, context: StageContext) -> StageResult:
        from blockwright.post_training.job import run_job
        from blockwright.post_training.models import open_tokenizer
        from blockwright.post_training.pairs import heldout_questions
        from blockwright.post_training.templates import thinking_template

        options = self._options
        tokenizer = open_tokenizer(context.child)
        template = thinking_template(tokenizer, options.default_thinking, options.chat_template)
        heldout = heldout_questions(options.questions, options.heldout) if options.questions else []
        before = self._answers(context, context.child, "answers-before.json", template, heldout)
        left_out = self._write_data(context, template, heldout)
        outcome = run_job(self._job(context), options.launcher)
        after = self._answers(context, outcome.child, "answers-after.json", template, heldout)
        notes = _notes(left_out, options.sequence_length, after)
        figures, shown = _figures(before, after, outcome), tuple(_shown(before, after))
        return StageResult(outcome.child, figures, tuple(notes), outcome.curves(CURVES), shown)

    @property
    def _options(self) -> ReasoningSftOptions:
        assert isinstance(self.options, ReasoningSftOptions)
        return self.options

    def _write_data(self, context: StageContext, template: ChatTemplate, heldout: Sequence[Question]) -> int:
        from blockwright.post_training.pairs import conversations
        from blockwright.post_training.sft import write_conversations

        learned = conversations(self._options.questions, self._options.messages, heldout)
        return write_conversations(context.directory, learned, context.child, template, self._options.sequence_length)

    def _job(self, context: StageContext) -> TrlJob:
        from blockwright.post_training.job import TrlJob
        from blockwright.post_training.sft import TRAINS, SftSettings

        return TrlJob.of(context, TRAINS, self._options, SftSettings)

    def _answers(
        self, context: StageContext, child: Path, file: str, template: ChatTemplate, heldout: Sequence[Question]
    ) -> Answers:
        from blockwright.post_training.answering import answers

        return answers(child, template.text, heldout, self._decoding(), context.directory / file)

    def _decoding(self) -> Decoding:
        from blockwright.models.generation import Decoding

        return Decoding(max_tokens=self._options.answer_tokens, batch_size=self._options.answers_at_once)


def _figures(before: Answers, after: Answers, outcome: TrlOutcome) -> Mapping[str, float]:
    figures = {"steps": float(outcome.steps)}
    if after.replies:
        for mode in MODES:
            figures[f"well-formed with {mode}, before"] = before.well_formed(mode)
            figures[f"well-formed with {mode}, after"] = after.well_formed(mode)
            figures[f"accuracy with {mode}, before"] = before.accuracy(mode)
            figures[f"accuracy with {mode}, after"] = after.accuracy(mode)
    return figures


def _shown(before: Answers, after: Answers) -> Iterator[ShownReply]:
    """The first held-out questions, before and after, in each mode."""
    for mode in MODES:
        for earlier, later in list(zip(before.of(mode), after.of(mode), strict=True))[:SHOWN]:
            yield ShownReply(f"before, thinking {mode}", earlier.question, earlier.reply)
            yield ShownReply(f"after, thinking {mode}", later.question, later.reply)


def _notes(left_out: int, longest: int, after: Answers) -> Iterator[str]:
    if left_out:
        yield f"{left_out} conversations of more than {longest} tokens were left out"
    if not after.replies:
        yield "the toggle was not measured: no held-out questions"
    elif after.tagged("off"):
        yield f"{after.tagged('off'):.1%} of the replies with thinking off have a piece of a think block"


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [ReasoningSftStage]
