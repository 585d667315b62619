"""The road from a checked recipe to a child: which steps there are, what each depends on, and how they are run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from blockwright.errors import UserError, hint_for
from blockwright.events import emit
from blockwright.files import write_json
from blockwright.recipes.checking import CheckedRecipe, mistake_in
from blockwright.recipes.iterations import iterations_of
from blockwright.recipes.reading import Source
from blockwright.recipes.recipe import save_recipe
from blockwright.report import write_report
from blockwright.running.directory import RunDirectory, remove
from blockwright.running.files import BASE, BUILD, COSTS, ITERATIONS, LIBRARY, PARENT, SCORES, SOLVE, RunFiles
from blockwright.running.log import LOG, logged_to
from blockwright.running.room import refuse_what_cannot_fit
from blockwright.running.step_keys import later_steps, plan_keys
from blockwright.running.steps.building_the_child import BuildStep
from blockwright.running.steps.building_the_library import LibraryStep
from blockwright.running.steps.evaluating import EvaluationStep
from blockwright.running.steps.exporting_the_child import ExportStep
from blockwright.running.steps.preparing_the_parent import ParentStep
from blockwright.running.steps.pricing_the_space import CostStep
from blockwright.running.steps.running_a_stage import StageStep
from blockwright.running.steps.scoring_the_library import ScoreStep
from blockwright.running.steps.solving import SolveStep
from blockwright.running.steps.step import Step
from blockwright.running.steps.taking_the_base import BaseStep
from blockwright.running.steps.transforming import TransformStep
from blockwright.running.versions import installed_versions


class StepFailed(Exception):
    """A step crashed; the message says which, why, and where the traceback is."""


def plan_steps(checked: CheckedRecipe) -> tuple[Step, ...]:
    """All steps in order, each with a key made of its settings, its inputs' keys and its plugins' versions.

    A dry run ends with the solve.
    """
    recipe, made, seed = checked.recipe, checked.made, checked.recipe.seed
    keys, weights, before = plan_keys(checked), recipe.parent.weights, checked.before
    return (
        ParentStep(PARENT, keys[PARENT], recipe.parent, recipe.text, seed, checked.belongs_to),
        *(() if before is None else (BaseStep(BASE, keys[BASE], before, _carry_out),)),
        LibraryStep(LIBRARY, keys[LIBRARY], checked.space, recipe.library, seed, made.executor, weights),
        ScoreStep(SCORES, keys[SCORES], made.scorer, seed, made.executor),
        CostStep(
            COSTS,
            keys[COSTS],
            checked.space,
            made.cost_model,
            recipe.all_scenarios,
            recipe.budget,
            recipe.search.batches,
            joins=checked.join_limits is not None,
        ),
        SolveStep(
            SOLVE,
            keys[SOLVE],
            made.solver,
            recipe.search,
            made.starts,
            seed,
            checked.join_limits,
            made.executor,
            weights,
        ),
        *((BuildStep(BUILD, keys[BUILD]), *_after_the_build(checked, keys)) if weights else ()),
    )


def _after_the_build(checked: CheckedRecipe, keys: Mapping[str, str]) -> Iterator[Step]:
    previous, recipe = None, checked.recipe
    later = later_steps(recipe)
    for name, transform in zip(later.transforms, checked.made.transforms, strict=True):
        cost_model = checked.made.cost_model
        yield TransformStep(name, keys[name], transform, previous, cost_model, recipe.scenario, recipe.seed)
        previous = name
    for name, stage in zip(later.stages, checked.made.stages, strict=True):
        yield StageStep(name, keys[name], stage, previous, recipe.text, recipe.seed)
        previous = name
    steps = (*later.transforms, *later.stages)
    yield EvaluationStep(later.evaluation, keys[later.evaluation], previous, steps, recipe.tasks)
    for name, exporter in zip(later.exports, checked.made.exports, strict=True):
        yield ExportStep(name, keys[name], exporter, previous)


def run_checked(checked: CheckedRecipe, last: str | None = None) -> RunFiles:
    """Does what is not done yet; the same call finishes a run that was killed. `last` names a step to stop after."""
    run = RunDirectory(checked.directory)
    _refuse_part_of_another(run.path)
    with run.locked(), logged_to(run.path / LOG), checked.plugins.observing(), closing(checked.made.executor):
        emit("run_started", pid=os.getpid(), directory=str(run.path))
        checked.plugins.tell_troubles()
        if checked.recipe.parent.weights:
            refuse_what_cannot_fit(checked)
        _remove_other_iterations(run.path / ITERATIONS, len(iterations_of(checked)) - 1)
        files = _carry_out(checked, last)
        if last is None:
            emit("run_finished", directory=str(run.path))
    return files


def _carry_out(checked: CheckedRecipe, last: str | None = None) -> RunFiles:
    """The steps of a run, or of an iteration of one, and the report on them."""
    run, steps = RunDirectory(checked.directory), plan_steps(checked)
    files = RunFiles(checked.directory, checked.plugins.families, checked.plugins.variants)
    run.path.mkdir(parents=True, exist_ok=True)
    save_recipe(checked.recipe, run.path / "recipe.yaml")
    write_json(run.path / "versions.json", installed_versions())
    run.remove_all_but(frozenset(step.name for step in steps))
    for number, step in enumerate(steps):
        _do(run, step, files, checked.source)
        emit("step_passed", done=number + 1, total=len(steps), step=step.name)
        if step.name == last:
            return files
    emit("report_written", path=str(write_report(run.path)))
    return files


def _refuse_part_of_another(directory: Path) -> None:
    """An iteration knows nothing of those before it, which the run does that it is part of."""
    whole = directory.parent.parent / "recipe.yaml"
    if directory.parent.name == ITERATIONS and whole.is_file():
        raise UserError(f"{directory}: is an iteration of another run; type `blockwright run {whole}`, which goes on")


def _remove_other_iterations(folder: Path, count: int) -> None:
    """What a recipe of more iterations has left behind."""
    for directory in sorted(folder.glob("[0-9]*")):
        if directory.name.isdigit() and int(directory.name) > count and (directory / "recipe.yaml").is_file():
            remove(directory)
            emit("iteration_removed", iteration=directory.name)


def _do(run: RunDirectory, step: Step, files: RunFiles, source: Source) -> None:
    def work(folder: Path) -> None:
        step.run(files, folder)

    try:
        run.do(step.name, step.key, work)
    except UserError as error:
        if step.name == BASE:  # an iteration's steps have said where already
            raise
        raise source.error(mistake_in(line) for line in error.lines) from error
    except (OSError, StepFailed):
        raise
    except Exception as error:  # whatever a plugin raises must end as one line, with its traceback in the log
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise StepFailed(
            f"{step.name} failed: {reason}{hint_for(error)}; the traceback is in {run.path / LOG}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
