"""The search space: which variants each sub-block may take, as values; `reading` makes them of YAML.

A space says nothing of a parent: `{narrow: 50%}` becomes a width, and `last` a layer, when it is resolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from blockwright.errors import did_you_mean
from blockwright.recipes.mistakes import KeyPath, Mistake, mistakes_of
from blockwright.variants import SLOTS, BlockVariant, Slot, SubBlock, SubBlockShape, VariantError, VariantSpec

if TYPE_CHECKING:
    from blockwright.spaces.layers import LayerRange

Variants = Mapping[tuple[Slot, str], BlockVariant]  # by slot and kind
ResolvedSpace = Mapping[SubBlock, tuple[VariantSpec, ...]]


@dataclass(frozen=True)
class Entry:
    """One variant as written: `skip`, `{narrow: 50%}` or `{sliding: {window: 512}}`; `path` is where it stands."""

    kind: str
    options: object = None
    path: KeyPath = field(default=(), compare=False)


@dataclass(frozen=True)
class Rule:
    """What other variants some layers may take: a list in place of the space's, or some of them forbidden."""

    layers: tuple[LayerRange, ...]
    replacing: Mapping[Slot, tuple[Entry, ...]]
    forbidden: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class SearchSpace:
    """Variants by slot, and rules for some layers, of which the later ones win. `keep` is always there."""

    entries: Mapping[Slot, tuple[Entry, ...]]
    rules: tuple[Rule, ...] = ()
    name: str = ""
    description: str = ""


@dataclass(frozen=True)
class Facts:
    """What resolving needs to know of a parent, and the kinds of variant that are installed."""

    shapes: Mapping[Slot, SubBlockShape]
    layers: int
    variants: Variants


def resolve(space: SearchSpace, facts: Facts) -> tuple[ResolvedSpace, list[Mistake]]:
    """The concrete variants of each sub-block, `keep` first and each once; and all that does not fit the parent."""
    resolver = _Resolver(facts)
    default = {slot: resolver.specs(slot, space.entries.get(slot, ())) for slot in SLOTS}
    resolved = {SubBlock(layer, slot): default[slot] for layer in range(facts.layers) for slot in SLOTS}
    for rule in space.rules:
        resolved.update(resolver.changed(resolved, rule))
    return resolved, resolver.mistakes


class _Resolver:
    """Makes concrete variants of entries and collects what is wrong with them."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.mistakes: list[Mistake] = []

    def specs(self, slot: Slot, entries: Iterable[Entry]) -> tuple[VariantSpec, ...]:
        """`keep` and the entries, without those that come to the same."""
        found = [self._spec(slot, entry) for entry in entries]
        return tuple(dict.fromkeys([VariantSpec(slot, "keep"), *(spec for spec in found if spec is not None)]))

    def changed(self, resolved: ResolvedSpace, rule: Rule) -> ResolvedSpace:
        """The sub-blocks of the rule's layers with what it leaves them."""
        layers = self._layers(rule)
        replacing = {slot: self.specs(slot, entries) for slot, entries in rule.replacing.items()}
        forbidden = self._forbidden(rule)
        return {
            SubBlock(layer, slot): tuple(
                spec for spec in replacing.get(slot, resolved[SubBlock(layer, slot)]) if not _is_among(spec, forbidden)
            )
            for layer in layers
            for slot in SLOTS
        }

    def _layers(self, rule: Rule) -> list[int]:
        wrong = [mistake for written in rule.layers for mistake in written.mistakes(self.facts.layers)]
        self.mistakes += wrong
        return [] if wrong else [layer for written in rule.layers for layer in written.layers(self.facts.layers)]

    def _forbidden(self, rule: Rule) -> set[VariantSpec | tuple[Slot, str]]:
        """Whole kinds where only the word is written, else the concrete variant."""
        forbidden: set[VariantSpec | tuple[Slot, str]] = set()
        for entry in rule.forbidden:
            slots = [slot for slot in SLOTS if (slot, entry.kind) in self.facts.variants]
            if not slots:
                self._unknown(entry, {kind for _, kind in self.facts.variants}, "variant")
            for slot in slots:
                spec = None if entry.options is None else self._spec(slot, entry)
                forbidden.add(spec or (slot, entry.kind))
        return forbidden

    def _spec(self, slot: Slot, entry: Entry) -> VariantSpec | None:
        variant = self.facts.variants.get((slot, entry.kind))
        if variant is None:
            kinds = {kind for of_slot, kind in self.facts.variants if of_slot == slot}
            self._unknown(entry, kinds, f"{slot} variant")
            return None
        try:
            return self._resolved(variant, entry)
        except VariantError as error:
            self._wrong(entry, str(error))
        except ValidationError as error:
            found = mistakes_of(error, variant.Options)
            self.mistakes += [_at_its_option(mistake, variant, entry) for mistake in found]
        return None

    def _resolved(self, variant: BlockVariant, entry: Entry) -> VariantSpec:
        options = {} if entry.options is None else entry.options
        if not isinstance(options, Mapping) and variant.main_option is None:
            known = ", ".join(variant.Options.model_fields)
            raise VariantError(
                f"`{entry.kind}` has no main option; write its options by name: {known}"
                if known
                else f"`{entry.kind}` takes no value; write it alone"
            )
        named = options if isinstance(options, Mapping) else {variant.main_option: options}
        return variant.resolve(variant.Options.model_validate(named), self.facts.shapes[variant.slot])

    def _unknown(self, entry: Entry, known: Iterable[str], what: str) -> None:
        self._wrong(entry, f"no {what} is called '{entry.kind}'{did_you_mean(entry.kind, known)}")

    def _wrong(self, entry: Entry, message: str) -> None:
        self.mistakes.append(Mistake(entry.path, message))


def _at_its_option(mistake: Mistake, variant: BlockVariant, entry: Entry) -> Mistake:
    """A mistake in a main option stands at the kind itself, where it is not written by name."""
    if isinstance(entry.options, Mapping):
        return mistake.under(*entry.path)
    if entry.options is None:
        value = "…" if variant.main_option else f"{{{mistake.dotted}: …}}"
        return Mistake(entry.path, f"`{entry.kind}` needs a value, written `{{{entry.kind}: {value}}}`")
    return Mistake(entry.path, mistake.message)


def _is_among(spec: VariantSpec, forbidden: set[VariantSpec | tuple[Slot, str]]) -> bool:
    return spec in forbidden or (spec.slot, spec.kind) in forbidden
