"""An evaluation asked for by name, from Python or from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.evaluating.comparison import Comparison
from blockwright.evaluating.evaluating import evaluate_models
from blockwright.evaluating.of_runs import learned_questions, models_of
from blockwright.evaluating.settings import EvaluationSettings
from blockwright.evaluating.store import ResultStore
from blockwright.models.configs import CONFIG, model_type_of
from blockwright.recipes.mistakes import mistakes_of
from blockwright.running.files import EVALUATIONS

if TYPE_CHECKING:
    from blockwright.api import Run


def evaluate_named(names: Sequence[str], given: dict[str, object], out: Path) -> Comparison:
    """Models side by side: a run brings all of its own, anything else is a folder with a checkpoint.

    `given` are settings in place of the recipe's (of one run) or of the defaults. What a run's models come to is kept
    in the run, the rest in `out`. UserError for what is neither run nor folder, and for wrong settings.
    """
    from blockwright.api import open_run

    if len(names) == 1 and not (Path(names[0]) / "config.json").is_file():
        return _of_run(open_run(names[0]), given)
    settings = settings_of({"tasks": ["offline"], **given})
    return evaluate_models(_folders(names), settings, ResultStore(out))


def settings_of(given: dict[str, object]) -> EvaluationSettings:
    try:
        return EvaluationSettings.model_validate(given)
    except ValidationError as error:
        raise UserError(*(f"{one.dotted}: {one.message}" for one in mistakes_of(error, EvaluationSettings))) from None


def _of_run(run: Run, given: dict[str, object]) -> Comparison:
    from blockwright.recipes.locations import read_yaml

    recipe = read_yaml(run.directory / "recipe.yaml")
    assert isinstance(recipe, dict)
    written, text = recipe.get("evaluation") or {}, recipe["text"]["evaluation"]
    settings = settings_of({"text": text, **written, **given})
    steps = run.files.changes()
    if not (run.files.built_child() / "config.json").is_file():
        raise UserError(f"{run.directory}: has no child yet; finish it with `blockwright run`")
    models, learned = models_of(run.files, steps, settings.models), learned_questions(run.directory, steps)
    return evaluate_models(models, settings, ResultStore(run.directory / EVALUATIONS), learned)


def _folders(names: Sequence[str]) -> dict[str, Path]:
    """By the last parts of their paths that tell them apart; of a run its last child."""
    from blockwright.exporting.requests import find_child

    folders = [Path(name) if _is_checkpoint(Path(name)) else find_child(name)[0] for name in names]
    parts = 1
    while parts < 8 and len({_short(folder, parts) for folder in folders}) < len(folders):
        parts += 1
    return {_short(folder, parts): folder for folder in folders}


def _short(folder: Path, parts: int) -> str:
    return "/".join(folder.resolve().parts[-parts:])


def _is_checkpoint(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and model_type_of(folder) != ""
