"""One task on one model in one mode."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.evaluating.results import Answered, TaskResult
from blockwright.evaluating.tasks import AskingTask, ChoiceTask, GenerateTask, HarnessTask, PerplexityTask, Task
from blockwright.post_training.questions import Question, draw
from blockwright.post_training.thinking import Mode
from blockwright.post_training.worked import is_worked

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from blockwright.evaluating.models import EvaluatedModel
    from blockwright.models.generation import Decoding

LEAST_POOL = 100  # questions whose answers are offered as wrong ones


def do_task(task: Task, mode: Mode | None, evaluated: EvaluatedModel, batch_size: int) -> TaskResult:
    """Greedy throughout, so that the same model gives the same result; `mode` is None where a task asks nothing."""
    if isinstance(task, PerplexityTask):
        return _perplexity(task, evaluated)
    assert mode is not None, "only text is read in no mode"
    if isinstance(task, HarnessTask):
        from blockwright.evaluating.harness import harness_figures

        figures = harness_figures(task, mode, evaluated, batch_size)
        return TaskResult(task=task.name, kind=task.kind, mode=mode, figures=figures)
    if isinstance(task, GenerateTask):
        answered = _generate(task, mode, evaluated, batch_size)
    else:
        answered = _choose(task, mode, evaluated, batch_size)
    return TaskResult(task=task.name, kind=task.kind, mode=mode, answered=tuple(answered))


def questions_of(task: AskingTask) -> list[Question]:
    """The task's own, which no training draws; those whose generator gives a wrong answer are left out."""
    return draw(task, "evaluation", task.count, (), is_worked)


def answers_of(task: ChoiceTask) -> list[str]:
    """What may be offered: the answers of so many questions that a few to be asked get the same options as many."""
    pool = task.model_copy(update={"count": max(task.count, LEAST_POOL)})
    return sorted({question.answer for question in questions_of(pool)})


def _generate(task: GenerateTask, mode: Mode, evaluated: EvaluatedModel, batch_size: int) -> list[Answered]:
    from blockwright.post_training.answering import replies

    decoding = _greedy(task.answer_tokens, batch_size)
    written = replies(evaluated.model, evaluated.tokenizer, mode, questions_of(task), decoding)
    return [
        Answered(
            question=one.question,
            answer=one.answer,
            reply=one.reply,
            right=one.right,
            tokens=_length(evaluated.tokenizer, one.reply),
        )
        for one in written
    ]


def _choose(task: ChoiceTask, mode: Mode, evaluated: EvaluatedModel, batch_size: int) -> list[Answered]:
    from blockwright.evaluating.choices import options_of, prompts_of, scores_of

    questions = questions_of(task)
    options = options_of(questions, task.choices, answers_of(task))
    prompts = prompts_of(evaluated, task, mode, questions, _greedy(task.answer_tokens, batch_size))
    scores = scores_of(evaluated, [tokens for tokens, _ in prompts], options, batch_size)
    return [
        _chosen(question, thought, offered, likelihoods)
        for question, (_, thought), offered, likelihoods in zip(questions, prompts, options, scores, strict=True)
    ]


def _chosen(question: Question, thought: str, offered: Sequence[str], likelihoods: Sequence[float]) -> Answered:
    choice = offered[max(range(len(offered)), key=lambda place: likelihoods[place])]
    right = choice == question.answer
    return Answered(question=question.text, answer=question.answer, reply=f"{thought}{choice}", right=right)


def _perplexity(task: PerplexityTask, evaluated: EvaluatedModel) -> TaskResult:
    from blockwright.events import emit
    from blockwright.models.likelihood import perplexity

    tokens = read_text(task, evaluated.tokenizer)

    def tell(done: int) -> None:
        emit("text_predicted", done=done, total=len(tokens), model=evaluated.name)

    figures = {"perplexity": perplexity(evaluated.model, tokens, told=tell), "tokens": float(tokens.numel())}
    return TaskResult(task=task.name, kind=task.kind, mode=None, figures=figures)


def read_text(task: PerplexityTask, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """(sequences, seq), of the sources in turn, as far as they reach; UserError where that is not one sequence."""
    import torch

    from blockwright.text.sequences import sequences

    streams = [sequences(source, tokenizer, task.sequence_length, task.seed) for source in task.text]
    in_turn = (row for rows in zip_longest(*streams) for row in rows if row is not None)
    read = list(islice(in_turn, -(-task.tokens // task.sequence_length)))
    if not read:
        raise UserError(f"text: {', '.join(task.text)} holds less than {task.sequence_length} tokens; name more text")
    return torch.tensor(read, dtype=torch.int64)


def _greedy(max_tokens: int, batch_size: int) -> Decoding:
    from blockwright.models.generation import Decoding

    return Decoding(max_tokens=max_tokens, batch_size=batch_size)


def _length(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])
