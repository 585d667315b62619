"""What every stage must do. A rule takes a stage, made with options so small that it heals a tiny child in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from blockwright.contracts.holding import contents, must
from blockwright.contracts.small_world import (
    LENGTH,
    missing_weights,
    scratch,
    small_parent,
    small_text,
    small_tokens,
    written_child,
)
from blockwright.stages import Stage, StageContext, StageResult, StageText

CHILD = "without parts"


@dataclass(frozen=True)
class Ran:
    """A stage that has run: what it was given, what it answered, and the files of the child before and after."""

    context: StageContext
    result: StageResult
    before: dict[str, str]
    after: dict[str, str]


def stage_leaves_the_given_child_as_it_is(stage: Stage) -> None:
    """It reads the child's folder, and writes below its own."""
    ran = _ran(stage)
    must(ran.before == ran.after, stage.name, "changed the files of the child that it was given")


def stage_ends_in_a_child(stage: Stage) -> None:
    """The given one, or a folder below `context.directory`, with all weights that its config asks for."""
    from blockwright.child.checkpoint import open_child

    ran = _ran(stage)
    child, directory = ran.result.child.resolve(), ran.context.directory.resolve()
    inside = directory in child.parents or child == ran.context.child.resolve()
    must(inside, stage.name, f"ended in {child}, which is neither the given child nor below {directory}")
    must((child / "config.json").is_file(), stage.name, f"ended in {child}, which holds no child")
    missing = missing_weights(open_child(child))
    must(not missing, stage.name, "; ".join(missing))


def stage_ends_in_a_child_that_runs(stage: Stage) -> None:
    """Its stream is made of numbers."""
    from blockwright.child.checkpoint import open_child
    from blockwright.models.divergence import final_stream

    stream = final_stream(open_child(_ran(stage).result.child), small_tokens()["heldback"])
    must(bool(stream.isfinite().all()), stage.name, "ended in a child whose stream is no number")


def stage_keeps_the_tokenizer(stage: Stage) -> None:
    """A new child is a whole checkpoint: the tokenizer stands beside it."""
    missing = not any(_ran(stage).result.child.glob("tokenizer*"))
    must(not missing, stage.name, "wrote a child without the parent's tokenizer; write_child copies it")


def stage_tells_figures_that_are_numbers(stage: Stage) -> None:
    """And curves whose steps rise, and notes that are text."""
    result = _ran(stage).result
    wrong = {name: value for name, value in result.figures.items() if not math.isfinite(value)}
    must(not wrong, stage.name, f"told figures that are no numbers: {wrong}")
    must(
        all(isinstance(note, str) for note in result.notes), stage.name, f"told notes that are no text: {result.notes}"
    )
    for name, curve in result.curves.items():
        steps = [step for step, _ in curve]
        must(steps == sorted(set(steps)), stage.name, f"told a curve '{name}' whose steps do not rise: {steps}")


def stage_finds_its_work_done_when_run_again(stage: Stage) -> None:
    """In the same folder, as after a kill that came just before the end: the same child, the same figures."""
    ran = _ran(stage)
    before = contents(ran.result.child)
    again = stage.run(ran.context)
    must(again.child.resolve() == ran.result.child.resolve(), stage.name, f"ended in {again.child} when run again")
    must(contents(again.child) == before, stage.name, "wrote another child when run again in its folder")
    must(dict(again.figures) == dict(ran.result.figures), stage.name, "told other figures when run again in its folder")


def stage_gives_an_equal_child_for_an_equal_seed(stage: Stage) -> None:
    """In another folder; weights may differ by rounding."""
    from blockwright.child.checkpoint import open_child
    from blockwright.models.divergence import final_stream

    ran = _ran(stage)
    other = stage.run(replace(ran.context, directory=_new_directory()))
    one, two = (
        final_stream(open_child(child), small_tokens()["heldback"]) for child in (ran.result.child, other.child)
    )
    apart = float((one - two).abs().max())
    must(apart < 1e-3, stage.name, f"gave another child for the same seed (streams differ by {apart:.2g})")


def stage_options_without_effect_are_options(stage: Stage) -> None:
    """`without_effect` names options that there are."""
    unknown = sorted(stage.Options.without_effect - set(stage.Options.model_fields))
    must(not unknown, stage.name, f"has no options {', '.join(unknown)}, which without_effect names")


def _ran(stage: Stage) -> Ran:
    """Once for all rules."""
    return _ran_by(type(stage), stage.options.model_dump_json(by_alias=True))


@cache
def _ran_by(kind: type[Stage], options: str) -> Ran:
    child = written_child(CHILD)
    text = StageText((str(small_text()),), LENGTH)
    context = StageContext(small_parent(), child, dict(small_tokens()), _new_directory(), 0, text)
    before = contents(child)
    result = kind(kind.Options.model_validate_json(options)).run(context)
    return Ran(context, result, before, contents(child))


def _new_directory() -> Path:
    return scratch("stage")


STAGE_CONTRACT: tuple[Callable[[Stage], None], ...] = (
    stage_leaves_the_given_child_as_it_is,
    stage_ends_in_a_child,
    stage_ends_in_a_child_that_runs,
    stage_keeps_the_tokenizer,
    stage_tells_figures_that_are_numbers,
    stage_finds_its_work_done_when_run_again,
    stage_gives_an_equal_child_for_an_equal_seed,
    stage_options_without_effect_are_options,
)
"""All rules, to parametrize over."""
