"""The wording of mistakes in a recipe: one line each, with file and line, or with the override that was typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from blockwright.errors import did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

KeyPath = tuple[str | int, ...]  # ("stages", 0, "refit", "ridge")

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "int_parsing": "expected a whole number, got {input}",
    "int_type": "expected a whole number, got {input}",
    "int_from_float": "expected a whole number, got {input}",
    "float_parsing": "expected a number, got {input}",
    "float_type": "expected a number, got {input}",
    "bool_parsing": "expected true or false, got {input}",
    "bool_type": "expected true or false, got {input}",
    "string_type": "expected text, got {input}",
    "list_type": "expected a list, got {input}",
    "tuple_type": "expected a list, got {input}",
    "dict_type": "expected keys and values, got {input}",
    "model_type": "expected keys and values, got {input}",
    "model_attributes_type": "expected keys and values, got {input}",
    "greater_than": "must be more than {gt}, got {input}",
    "greater_than_equal": "must be at least {ge}, got {input}",
    "less_than": "must be less than {lt}, got {input}",
    "less_than_equal": "must be at most {le}, got {input}",
    "literal_error": "expected {expected}, got {input}",
    "finite_number": "expected a finite number, got {input}",
    "string_pattern_mismatch": "expected text that matches {pattern}, got {input}",
}


@dataclass(frozen=True)
class Mistake:
    """What is wrong at one key; the place in the file is looked up when it is shown."""

    path: KeyPath
    message: str

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.path))

    def under(self, *prefix: str | int) -> Mistake:
        return Mistake((*prefix, *self.path), self.message)


def mistakes_of(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """pydantic's errors in plain words; alternatives of one key (a union's) become one mistake."""
    found: dict[KeyPath, Mistake] = {}
    for detail in error.errors(include_url=False):
        path = _path_in_the_file(detail["loc"], model, unknown=detail["type"] == "extra_forbidden")
        found.setdefault(path, Mistake(path, _message(detail, model)))
    return list(found.values())


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        owner = model_at(model, detail["loc"][:-1])
        known = list(fields_as_written(owner)) if owner else []
        return f"no such key{did_you_mean(str(detail['loc'][-1]), known) if known else ''}"
    if detail["type"] in ("value_error", "assertion_error"):
        return str(detail.get("ctx", {}).get("error", detail["msg"]))
    words = _WORDS.get(detail["type"])
    if words is None:
        return f"{detail['msg']}, got {shown(detail['input'])}"
    bounds = {name: _plain(value) for name, value in detail.get("ctx", {}).items()}
    return words.format(input=shown(detail["input"]), **bounds)


def _plain(bound: object) -> object:
    """`0` for `0.0`."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def fields_as_written(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the keys that a file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def shown(value: object, longest: int = 60) -> str:
    """A value as the person typed it, near enough, and short."""
    if value is None:
        return "nothing"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _path_in_the_file(location: Sequence[str | int], model: type[BaseModel], unknown: bool) -> KeyPath:
    """pydantic's location without the names of a union's alternatives, which stand in no file."""
    path: list[str | int] = []
    current: type[BaseModel] | None = model
    for index, part in enumerate(location):
        is_the_unknown_key = unknown and index == len(location) - 1
        if (
            current is not None
            and part not in fields_as_written(current)
            and not is_the_unknown_key
            and isinstance(part, str)
        ):
            continue
        path.append(part)
        if current is not None and isinstance(part, str) and part in fields_as_written(current):
            current = _model_in(fields_as_written(current)[part].annotation)
    return tuple(path)


def model_at(model: type[BaseModel], location: Iterable[str | int]) -> type[BaseModel] | None:
    """The model that a location is inside of, None where there is none."""
    annotation: object = model
    for part in location:
        annotation = _annotation_at(annotation, part)
    return _model_in(annotation)


def _annotation_at(annotation: object, part: str | int) -> object:
    """Of a mapping's value, a list's item or a model's field; unchanged for the name of a union's alternative."""
    if get_origin(annotation) is Mapping:
        return get_args(annotation)[1]
    model = _model_in(annotation)
    field = fields_as_written(model).get(str(part)) if model else None
    return field.annotation if field else annotation


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Annotated, Union, UnionType, tuple, list):
        return next((model for model in map(_model_in, get_args(annotation)) if model is not None), None)
    return None
