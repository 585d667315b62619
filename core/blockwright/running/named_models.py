"""A model as a person names it: a recipe's parent, a folder, or a model on the hub."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.parent import ParentSettings, prepare_parent
from blockwright.recipes.mistakes import Mistake, mistakes_of
from blockwright.recipes.reading import RawRecipe, read_raw
from blockwright.running.files import PARENT
from blockwright.seals import DONE


def model_folder(model: str, beside: Path) -> Path:
    """The folder of a recipe's parent, of `owner/name` on the hub, of `package:NAME`, or the folder itself.

    A GGUF file is dequantised into `beside`, unless the recipe's run has done so.
    """
    if model.endswith((".yaml", ".yml")):
        return _parent_of(read_raw(Path(model), ()), beside)
    try:
        return prepare_parent(ParentSettings(model=model), beside)
    except UserError as error:  # nobody has written the key that its lines begin with
        raise UserError(*(line.removeprefix("parent.model: ") for line in error.lines)) from None


def _parent_of(raw: RawRecipe, beside: Path) -> Path:
    try:
        settings = ParentSettings.model_validate(raw.data.get("parent"))
    except ValidationError as error:
        raise raw.source.error(mistake.under("parent") for mistake in mistakes_of(error, ParentSettings)) from None
    prepared = Path(str(raw.data.get("runs", "runs"))) / str(raw.data.get("name")) / PARENT
    record = prepared / "parent.json"
    if record.is_file() and (prepared / DONE).is_file():
        return prepared / str(json.loads(record.read_text())["directory"])
    try:
        return prepare_parent(settings, beside)
    except UserError as error:
        raise raw.source.error(Mistake(("parent",), line) for line in error.lines) from None
