"""What every class that a plugin brings must be, whatever its kind. A rule takes a `Part`: the class with its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ValidationError

from blockwright.contracts.holding import must
from blockwright.plugins.parts import Part

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def part_has_a_name_for_recipes(part: Part) -> None:
    """A word of letters, digits, `-`, `_` and dots, which YAML reads as text."""
    must(NAME.fullmatch(part.name) is not None, part.title, "has a name that cannot stand in a recipe without quotes")
    must(part.name not in ("on", "off", "yes", "no", "true", "false", "null"), part.title, "has a name that YAML takes")


def part_says_what_it_is(part: Part) -> None:
    """In its docstring, of which the first line is for people who choose."""
    own = part.provider.__doc__
    must(bool(own and own.strip()), part.title, f"has no docstring; say in a line what {part.provider.__name__} is")


def part_options_are_frozen(part: Part) -> None:
    """Options are values: the key of a finished step depends on them."""
    options = _options_of(part)
    must(options is None or bool(options.model_config.get("frozen")), part.title, "has options that can be changed")


def part_options_refuse_unknown_keys(part: Part) -> None:
    """A misspelt option is a mistake of the recipe, with its line."""
    options = _options_of(part)
    if options is None:
        return
    try:
        options.model_validate({**_first(part), "no_such_option_at_all": 1})
    except ValidationError as error:
        if any(detail["type"] == "extra_forbidden" for detail in error.errors()):
            return
    raise AssertionError(f"{part.title}: takes options that there are not; begin with the contract's own options class")


def part_options_have_a_schema(part: Part) -> None:
    """JSON Schema, which editors complete recipes with."""
    options = _options_of(part)
    if options is not None:
        options.model_json_schema()


def part_takes_its_contract_options(part: Part) -> None:
    """Each of `contract_options` makes options; where it says none, the defaults do."""
    options = _options_of(part)
    for given in getattr(part.provider, "contract_options", ()):
        try:
            if options is not None:
                options.model_validate(dict(given))
        except ValidationError as error:
            reasons = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise AssertionError(
                f"{part.title}: its contract_options {dict(given)} are no options: {reasons}"
            ) from None


def _options_of(part: Part) -> type[BaseModel] | None:
    found = getattr(part.provider, "Options", None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _first(part: Part) -> Mapping[str, object]:
    given = getattr(part.provider, "contract_options", ())
    return dict(given[0]) if given else {}


PART_CONTRACT: tuple[Callable[[Part], None], ...] = (
    part_has_a_name_for_recipes,
    part_says_what_it_is,
    part_options_are_frozen,
    part_options_refuse_unknown_keys,
    part_options_have_a_schema,
    part_takes_its_contract_options,
)
"""All rules, to parametrize over."""
