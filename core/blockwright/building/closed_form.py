"""The variants of one sub-block in closed form, by the plugins that bring them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from blockwright.child.assembly import Variants
from blockwright.construction import SubBlockContext
from blockwright.variants import VariantSpec, Weights


def build_in_closed_form(
    context: SubBlockContext, specs: Sequence[VariantSpec], variants: Variants, between: Callable[[], None]
) -> dict[VariantSpec, Weights]:
    """In closed form; `between` makes the pass that takes the moments, after those that read the stream themselves.

    What is present already has no weights of its own in a library, as `keep` has none.
    """
    kinds = _by_kind([spec for spec in specs if spec != context.present])
    built: dict[VariantSpec, Weights] = {} if context.present is None else {context.present: {}}
    for reads_inputs in (True, False):
        if not reads_inputs:
            between()
        for kind, members in kinds.items():
            variant = variants[(context.sub_block.slot, kind)]
            if variant.reads_inputs == reads_inputs:
                built.update(variant.build(members, context))
    return {spec: built[spec] for spec in specs}


def _by_kind(specs: Sequence[VariantSpec]) -> dict[str, list[VariantSpec]]:
    ordered = sorted(specs, key=lambda spec: spec.kind)
    return {kind: list(members) for kind, members in groupby(ordered, key=lambda spec: spec.kind)}
