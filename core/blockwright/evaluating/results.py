"""What a model came to in a task, question by question, and the figures of that."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from blockwright.post_training.thinking import Mode, follows, is_well_formed


class Answered(BaseModel):
    """One question: what the model wrote (of a choice: thought and then chose), and whether it is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: str
    answer: str
    reply: str
    right: bool
    tokens: int = 0


class TaskResult(BaseModel):
    """One model in one task and mode; `figures` are those that do not come of questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    kind: str
    mode: Mode | None
    answered: tuple[Answered, ...] = ()
    figures: Mapping[str, float] = {}

    def without(self, learned: Collection[str]) -> TaskResult:
        """Without questions that one of the compared models has learned from."""
        kept = tuple(one for one in self.answered if one.question not in learned)
        return self.model_copy(update={"answered": kept})

    @property
    def measures(self) -> dict[str, float]:
        """Shares of the questions, mean lengths, and what the task measured as a whole."""
        measured = dict(self.figures)
        if self.answered:
            measured["accuracy"] = _mean([one.right for one in self.answered])
        if self.answered and self.kind == "generate" and self.mode is not None:
            measured["well-formed"] = _mean([is_well_formed(one.reply) for one in self.answered])
            measured["follows the toggle"] = _mean([follows(one.reply, self.mode) for one in self.answered])
            measured["tokens a reply"] = _mean([one.tokens for one in self.answered])
        return measured

    @property
    def error(self) -> float | None:
        """The standard error of the accuracy; None without questions."""
        count = len(self.answered)
        if not count:
            return None
        share = _mean([one.right for one in self.answered])
        return math.sqrt(share * (1 - share) / count)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
