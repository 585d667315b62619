"""What a child is asked when it learns from its own replies: questions and instructions, with the toggle on and off."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from blockwright.errors import UserError
from blockwright.post_training.constraints import InstructionSource, draw_instructions
from blockwright.post_training.json_lines import json_lines
from blockwright.post_training.pairs import heldout_questions
from blockwright.post_training.questions import GeneratorSource, Question, draw
from blockwright.post_training.thinking import Message, Mode, ModeInYaml, asked
from blockwright.post_training.worked import is_worked


class Prompt(BaseModel):
    """A question and what the toggle says."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: Question
    mode: Mode

    @property
    def messages(self) -> list[Message]:
        return asked(self.question.text, self.mode)


class PromptSources(BaseModel):
    """Generators of reasoning-gym, JSONL files of questions, and instructions that are drawn; each in all `modes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    questions: tuple[GeneratorSource, ...] = ()
    files: tuple[Path, ...] = ()
    instructions: InstructionSource | None = None
    modes: tuple[ModeInYaml, ...] = ("on", "off")

    def heldout(self, count: int) -> list[Prompt]:
        """`count` questions of the generators and as many instructions; files hold nothing back."""
        drawn = heldout_questions(self.questions, count) if self.questions and count else []
        if self.instructions is not None and count:
            drawn += draw_instructions(self.instructions, "heldout", count)
        return list(self._in_all_modes(drawn))

    def training(self, heldout: Sequence[Prompt]) -> list[Prompt]:
        """In the order of their sources; none asks what is held out, and a file that does is a mistake."""
        return list(self._in_all_modes(self._asked(dict.fromkeys(prompt.question.text for prompt in heldout))))

    def _asked(self, unwanted: Collection[str]) -> Iterator[Question]:
        for source in self.questions:
            yield from draw(source, "training", source.count, unwanted, is_worked)
        for file in self.files:
            for question in read_questions(file):
                if question.text in unwanted:
                    raise UserError(f"stages: {file} asks a held-out question: {question.text[:60]!r}; take it out")
                yield question
        if self.instructions is not None:
            yield from draw_instructions(self.instructions, "training", self.instructions.count, unwanted)

    def _in_all_modes(self, questions: Iterable[Question]) -> Iterator[Prompt]:
        for question in questions:
            yield from (Prompt(question=question, mode=mode) for mode in self.modes)


def read_questions(file: Path) -> Iterator[Question]:
    """Lines of `{"question": "…", "answer": "…"}`; what else they say (`constraints`, for one) is for the rewards."""
    for place, data in json_lines(file, "files"):
        yield _question(data, place)


def _question(data: Any, place: str) -> Question:
    if not isinstance(data, dict) or not isinstance(data.get("question"), str):
        raise UserError(f'{place}: expected {{"question": "…", "answer": "…"}}')
    extra = {name: value for name, value in data.items() if name not in ("question", "answer")}
    return Question(text=data["question"], answer=str(data.get("answer", "")), extra=extra)
