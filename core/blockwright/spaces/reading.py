"""Search spaces from plain data: as values, or at once as a parent's variants; all mistakes, each at its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from blockwright.errors import did_you_mean
from blockwright.recipes.mistakes import KeyPath, Mistake, shown
from blockwright.spaces.layers import LayerRange
from blockwright.spaces.space import Entry, Facts, ResolvedSpace, Rule, SearchSpace, Variants, resolve
from blockwright.variants import SLOTS, Slot

if TYPE_CHECKING:
    from blockwright.parent import Parent

_KEYS = ("name", "description", *SLOTS, "variants", "except")
_RULE_KEYS = ("layers", *SLOTS, "forbid")


def resolve_space(data: object, parent: Parent, variants: Variants) -> tuple[ResolvedSpace, list[Mistake]]:
    """Plain data as the variants of each of the parent's sub-blocks; all mistakes of both, each at its key."""
    facts = Facts({slot: parent.shape(slot) for slot in SLOTS}, parent.layers, variants)
    space, unreadable = parse_space(data)
    resolved, unfitting = resolve(space, facts)
    return resolved, list(dict.fromkeys([*unreadable, *unfitting]))


def parse_space(data: object) -> tuple[SearchSpace, list[Mistake]]:
    """Plain data as a space; with mistakes, only what could be read of it."""
    reader = _Reader()
    return reader.space(data), reader.mistakes


class _Reader:
    """Reads what it can and collects what it cannot, so that one mistake hides no other."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def space(self, data: object) -> SearchSpace:
        if not isinstance(data, Mapping):
            self._wrong((), f"a search space is a mapping with attention and ffn, not {shown(data)}")
            return SearchSpace({})
        self._check_keys(data, _KEYS, ())
        entries = {**self._slots(data, ()), **self._slots(self._variants(data), ("variants",))}
        rules = [self._rule(rule, ("except", index)) for index, rule in self._list(data.get("except"), ("except",))]
        if not any(entries.values()) and not rules and not self.mistakes:
            self._wrong((), "the search space holds no variants; list some under attention and ffn")
        words = {key: self._text(data.get(key), key) for key in ("name", "description")}
        return SearchSpace(entries, tuple(rule for rule in rules if rule is not None), **words)

    def _variants(self, data: Mapping[object, object]) -> Mapping[object, object]:
        """`variants: {attention: …, ffn: …}` is another way to write the two lists."""
        variants = data.get("variants") or {}
        if not isinstance(variants, Mapping):
            self._wrong(("variants",), f"expected attention and ffn with a list each, got {shown(variants)}")
            return {}
        self._check_keys(variants, SLOTS, ("variants",))
        for slot in SLOTS:
            if slot in data and slot in variants:
                self._wrong((slot,), f"stands also under variants.{slot}; write it once")
        return variants

    def _slots(self, data: Mapping[object, object], path: KeyPath) -> dict[Slot, tuple[Entry, ...]]:
        return {slot: self._entries(data[slot], (*path, slot)) for slot in SLOTS if slot in data}

    def _entries(self, written: object, path: KeyPath) -> tuple[Entry, ...]:
        entries = (self._entry(item, (*path, index)) for index, item in self._list(written, path))
        return tuple(entry for entry in entries if entry is not None)

    def _entry(self, written: object, path: KeyPath) -> Entry | None:
        if isinstance(written, str):
            return Entry(written, None, path)
        if isinstance(written, Mapping) and len(written) == 1:
            ((kind, options),) = written.items()
            if isinstance(kind, str):
                return Entry(kind, options, (*path, kind))
        self._wrong(
            path,
            f"expected a variant like `skip`, `{{narrow: 50%}}` or `{{kind: {{option: 1}}}}`, got {shown(written)}",
        )
        return None

    def _rule(self, written: object, path: KeyPath) -> Rule | None:
        if not isinstance(written, Mapping):
            self._wrong(path, f"a rule is written like {{layers: first, forbid: [skip]}}, not {shown(written)}")
            return None
        self._check_keys(written, _RULE_KEYS, path)
        if not written.keys() & {*SLOTS, "forbid"}:
            self._wrong(path, "changes nothing; give it attention, ffn or forbid")
        layers = self._layers(written.get("layers"), (*path, "layers"))
        return Rule(layers, self._slots(written, path), self._forbidden(written.get("forbid"), (*path, "forbid")))

    def _layers(self, written: object, path: KeyPath) -> tuple[LayerRange, ...]:
        if written is None or written == []:
            self._wrong(path, "is missing; expected layers like 0, -1, 0-3, [0, 29], first or last")
            return ()
        several = isinstance(written, list | tuple)
        pairs = self._list(written, path) if several else [(0, written)]
        ranges = (self._layer_range(item, (*path, index) if several else path) for index, item in pairs)
        return tuple(found for found in ranges if found is not None)

    def _layer_range(self, written: object, path: KeyPath) -> LayerRange | None:
        try:
            return LayerRange.parse(written, path)
        except ValueError as error:
            self._wrong(path, str(error))
            return None

    def _forbidden(self, written: object, path: KeyPath) -> tuple[Entry, ...]:
        """A list, or one alone."""
        alone = self._entry(written, path) if isinstance(written, str) else None
        entries = (alone,) if alone else self._entries(written, path)
        for entry in entries:
            if entry.kind == "keep":
                self._wrong(entry.path, "keep cannot be forbidden: every sub-block may stay as it is")
        return entries

    def _list(self, written: object, path: KeyPath) -> list[tuple[int, object]]:
        if written is None:
            return []
        if not isinstance(written, list | tuple):
            self._wrong(path, f"expected a list, got {shown(written)}")
            return []
        return list(enumerate(written))

    def _text(self, written: object, key: str) -> str:
        if written is not None and not isinstance(written, str):
            self._wrong((key,), f"expected text, got {shown(written)}")
        return str(written or "").strip()

    def _check_keys(self, data: Mapping[object, object], known: Sequence[str], path: KeyPath) -> None:
        for key in data:
            if key not in known:
                self._wrong(
                    (*path, key if isinstance(key, int) else str(key)), f"no such key{did_you_mean(str(key), known)}"
                )

    def _wrong(self, path: KeyPath, message: str) -> None:
        self.mistakes.append(Mistake(path, message))
