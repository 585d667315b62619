"""Tasks of the lm-eval harness (`pip install 'blockwright[eval]'`), asked through the model's chat template."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockwright.errors import UserError, did_you_mean
from blockwright.post_training.thinking import Mode, final_answer, toggle

if TYPE_CHECKING:
    from blockwright.evaluating.models import EvaluatedModel
    from blockwright.evaluating.tasks import HarnessTask

INSTALL = "type `pip install 'blockwright[eval]'`"
WINDOW = 1024  # tokens that are read at once where a task asks for the likelihood of whole documents


def refuse_unknown(name: str) -> None:
    """UserError where the harness is not there, or has no task of that name and no file is called that."""
    if importlib.util.find_spec("lm_eval") is None:
        raise UserError(f"lm-eval:{name} needs the lm-eval harness; {INSTALL}")
    if not Path(name).is_file() and name not in _known():
        raise UserError(f"lm-eval has no task '{name}'{did_you_mean(name, _known())}")


@cache
def _known() -> frozenset[str]:
    return frozenset(importlib.import_module("lm_eval.tasks").TaskManager().all_tasks)


def harness_figures(task: HarnessTask, mode: Mode, evaluated: EvaluatedModel, batch_size: int) -> dict[str, float]:
    """Each metric by its name; of a group's parts with theirs before it. The system message has the toggle."""
    import torch

    evaluator = importlib.import_module("lm_eval.evaluator")
    with torch.random.fork_rng():
        results = evaluator.simple_evaluate(
            model=_answering(evaluated, batch_size, task.answer_tokens if mode == "on" else 0),
            tasks=[task.harness_name],
            limit=task.questions,
            system_instruction=toggle(mode),
            apply_chat_template=True,
            log_samples=False,
            bootstrap_iters=0,
        )
    return dict(_figures(task.harness_name, results["results"]))


def _figures(asked: str, results: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, float]]:
    alone = len(results) == 1
    for name, metrics in results.items():
        for metric, value in metrics.items():
            plain, _, how = metric.partition(",")
            if isinstance(value, int | float) and how and not plain.endswith("_stderr") and not math.isnan(value):
                words = plain if how == "none" else f"{plain} ({how})"
                yield words if alone or name == asked else f"{name} {words}", float(value)


def _answering(evaluated: EvaluatedModel, batch_size: int, thinking_tokens: int) -> Any:
    """The model as the harness asks one, with our own batches."""
    base: Any = importlib.import_module("lm_eval.api.model").LM

    class Answering(base):  # type: ignore[misc]
        """Replies are what comes after the think block, for which there are so many tokens more."""

        tokenizer_name = evaluated.fingerprint

        def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            said = evaluated.tokenizer.apply_chat_template(
                chat_history, tokenize=False, add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )  # fmt: skip
            return str(said)

        def chat_template(self, chat_template: bool | str = False) -> str:
            return str(evaluated.tokenizer.chat_template)

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            from blockwright.models.likelihood import log_likelihoods

            pairs = [_split(evaluated, *request.args) for request in requests]
            found = log_likelihoods(evaluated.model, pairs, batch_size)
            return [(one.nats, one.is_greedy) for one in found]

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            return [_of_document(evaluated, request.args[0], batch_size) for request in requests]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return _replies(evaluated, [request.args for request in requests], batch_size, thinking_tokens)

    return Answering()


def _encoded(evaluated: EvaluatedModel, text: str) -> list[int]:
    """The chat template has written what begins a text."""
    return list(evaluated.tokenizer(text, add_special_tokens=False)["input_ids"])


def _split(evaluated: EvaluatedModel, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Encoded together, so that the border falls as in running text; spaces before it belong to what follows."""
    bare = context.rstrip(" ")
    continuation = context[len(bare) :] + continuation
    before, whole = _encoded(evaluated, bare), _encoded(evaluated, bare + continuation)
    goes_on = whole[: len(before)] == before and len(whole) > len(before)
    return before, whole[len(before) :] if goes_on else _encoded(evaluated, continuation)


def _of_document(evaluated: EvaluatedModel, text: str, batch_size: int) -> float:
    from blockwright.models.likelihood import log_likelihoods

    tokenizer, tokens = evaluated.tokenizer, _encoded(evaluated, text)
    first = next(token for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, 0) if isinstance(token, int))
    pairs = [([first if not at else tokens[at - 1]], tokens[at : at + WINDOW]) for at in range(0, len(tokens), WINDOW)]
    return sum(found.nats for found in log_likelihoods(evaluated.model, pairs, batch_size))


def _replies(
    evaluated: EvaluatedModel, asked: Sequence[tuple[str, Mapping[str, Any]]], batch_size: int, thinking_tokens: int
) -> list[str]:
    from blockwright.models.generation import Decoding, end_tokens, generate
    from blockwright.post_training.answering import reply_text

    longest = max((int(options.get("max_gen_toks", 256)) for _, options in asked), default=1)
    decoding = Decoding(max_tokens=longest + thinking_tokens, batch_size=batch_size)
    ends = end_tokens(evaluated.model, evaluated.tokenizer)
    written = generate(evaluated.model, [_encoded(evaluated, context) for context, _ in asked], decoding, ends)
    texts = [final_answer(reply_text(evaluated.tokenizer, tokens)) for tokens in written]
    return [_cut(text, options.get("until") or ()) for text, (_, options) in zip(texts, asked, strict=True)]


def _cut(text: str, until: str | Sequence[str]) -> str:
    for stop in [until] if isinstance(until, str) else until:
        text = text.partition(stop)[0] if stop else text
    return text
