"""What plugins bring: the kinds of parts, and the check of what a hook returned."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, get_args

from blockwright.costs import CostModel
from blockwright.engines import Engine
from blockwright.executors import Executor
from blockwright.exporters import Exporter
from blockwright.parent import ModelFamily
from blockwright.post_training.rewards import Reward
from blockwright.problem import Solver
from blockwright.resources import ResourceKind, Resources
from blockwright.scoring import Scorer
from blockwright.stages import Stage
from blockwright.transforms import Transform
from blockwright.variants import BlockVariant, Slot

T = TypeVar("T")


class BadPart(Exception):
    """What a hook returned cannot be used; the message says what it should have been."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of part: the hook that returns such classes, its contract, and the class attribute that names it."""

    word: str
    hook: str
    contract: type[T]
    named_by: str = "name"


VARIANT = Kind("variant", "register_block_variants", BlockVariant, "kind")  # type: ignore[type-abstract]
FAMILY = Kind("model family", "register_model_families", ModelFamily, "model_type")  # type: ignore[type-abstract]
COST_MODEL = Kind("cost model", "register_cost_models", CostModel)
SCORER = Kind("scorer", "register_scorers", Scorer)  # type: ignore[type-abstract]
SOLVER = Kind("solver", "register_solvers", Solver)  # type: ignore[type-abstract]
TRANSFORM = Kind("transform", "register_transforms", Transform)  # type: ignore[type-abstract]
STAGE = Kind("stage", "register_stages", Stage)  # type: ignore[type-abstract]
REWARD = Kind("reward", "register_rewards", Reward)  # type: ignore[type-abstract]
EXPORTER = Kind("exporter", "register_exporters", Exporter)  # type: ignore[type-abstract]
ENGINE = Kind("engine", "register_engines", Engine)  # type: ignore[type-abstract]
EXECUTOR = Kind("executor", "register_executors", Executor)  # type: ignore[type-abstract]
KINDS: tuple[Kind[object], ...] = (
    FAMILY,
    VARIANT,
    SCORER,
    COST_MODEL,
    SOLVER,
    TRANSFORM,
    STAGE,
    REWARD,
    EXPORTER,
    ENGINE,
    EXECUTOR,
)  # type: ignore[assignment]


@dataclass(frozen=True)
class Part:
    """One class of a plugin, under the key that nothing else of its kind may have."""

    kind: Kind[object]
    key: Hashable
    provider: type

    @property
    def title(self) -> str:
        """`solver 'highs'`, `ffn variant 'narrow'`."""
        slot, name = self.key if isinstance(self.key, tuple) else ("", self.key)
        return f"{slot} {self.kind.word} '{name}'".lstrip()

    @property
    def name(self) -> str:
        return str(self.key[1] if isinstance(self.key, tuple) else self.key)


def parts_of(hook: str, returned: object) -> Iterator[Part]:
    """The parts in what a hook returned; BadPart says what is wrong with it."""
    kind = next(kind for kind in KINDS if kind.hook == hook)
    for provider in _listed(hook, returned, "classes"):
        yield Part(kind, _key(kind, _checked_class(kind, provider)), provider)  # type: ignore[arg-type]


def resources_of(hook: str, returned: object) -> Iterator[Resources]:
    """The folders in what `register_resources` returned, each of a known kind and there."""
    for item in _listed(hook, returned, "Resources"):
        if not isinstance(item, Resources):
            raise BadPart(f"{hook} returned {item!r}, which is no blockwright.resources.Resources")
        if item.kind not in get_args(ResourceKind):
            raise BadPart(f"{hook}: '{item.kind}' is no kind of resource; there is {', '.join(get_args(ResourceKind))}")
        if not item.folder.is_dir():
            raise BadPart(f"{hook}: there is no folder {item.folder}")
        yield item


def _listed(hook: str, returned: object, of_what: str) -> list[object]:
    if not isinstance(returned, list | tuple):
        raise BadPart(f"{hook} must return a list of {of_what}, not {type(returned).__name__}")
    return list(returned)


def _checked_class(kind: Kind[object], provider: object) -> type:
    contract = f"{kind.contract.__module__}.{kind.contract.__name__}"
    if not isinstance(provider, type) or not issubclass(provider, kind.contract):
        raise BadPart(f"{kind.hook} returned {provider!r}, which is no subclass of {contract}")
    _check_definitions(kind, provider, contract)
    if inspect.isabstract(provider):
        missing = ", ".join(sorted(getattr(provider, "__abstractmethods__", ())))
        raise BadPart(f"{kind.word} {provider.__name__} does not define {missing}, which {contract} asks for")
    return provider


def _check_definitions(kind: Kind[object], provider: type, contract: str) -> None:
    """One of each group of methods that a concrete contract leaves to its subclasses."""
    for group in getattr(kind.contract, "must_define", ()):
        if all(getattr(provider, name) is getattr(kind.contract, name) for name in group):
            raise BadPart(
                f"{kind.word} {provider.__name__} does not define {' or '.join(group)}, which {contract} asks for"
            )


def _key(kind: Kind[object], provider: type) -> Hashable:
    name = _class_text(kind, provider, kind.named_by)
    if kind.word != VARIANT.word:
        return name
    slot = _class_text(kind, provider, "slot")
    if slot not in get_args(Slot):
        raise BadPart(f"variant {provider.__name__}: slot '{slot}' is none of {', '.join(get_args(Slot))}")
    return slot, name


def _class_text(kind: Kind[object], provider: type, attribute: str) -> str:
    value = getattr(provider, attribute, None)
    if not isinstance(value, str) or not value:
        raise BadPart(f"{kind.word} {provider.__name__} needs a class attribute `{attribute}` with its name")
    return value
