"""What every block variant must do. A rule tries a variant on a tiny parent, with its `contract_options`."""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.contracts.holding import must
from blockwright.contracts.small_world import (
    LENGTH,
    child_with,
    installed_variants,
    library_of,
    missing_weights,
    small_parent,
    small_tokens,
    whole_model,
)
from blockwright.costs.scenario import Scenario
from blockwright.variants import BlockVariant, SubBlockShape, VariantError, VariantSpec

if TYPE_CHECKING:
    from blockwright.child.assembly import Variants
    from blockwright.library import Library
    from blockwright.models.stack import LayerStack

CLOSE = 1e-4


def variant_resolves_its_options(variant: BlockVariant) -> None:
    """To variants of its own slot, of its own kind or `keep`; at least one of them to its own kind."""
    found = list(_resolved(variant))
    wrong = [spec for spec in found if spec.slot != variant.slot or spec.kind not in (variant.kind, "keep")]
    must(not wrong, variant.kind, f"resolved to {wrong}, which are no {variant.kind} of {variant.slot}")
    own = any(spec.kind == variant.kind for spec in found)
    must(own, variant.kind, "resolved none of its contract_options to its own kind; give some that fit a tiny model")


def variant_refuses_in_its_own_words(variant: BlockVariant) -> None:
    """What a sub-block cannot take is a VariantError with a sentence; on the smallest shape there is."""
    shape = SubBlockShape(variant.slot, hidden_size=2, attention_heads=1, kv_heads=1, head_dim=2, ffn_width=1)
    for options in variant.contract_options:
        try:
            variant.resolve(variant.Options.model_validate(dict(options)), shape)
        except VariantError as error:
            must(bool(str(error)), variant.kind, "refused a sub-block without a word")


def variant_labels_are_read_again(variant: BlockVariant) -> None:
    """A spec survives the way into a file and back, and different ones have different labels."""
    specs = list(_own(variant))
    for spec in specs:
        must(VariantSpec.from_dict(spec.to_dict()) == spec, variant.kind, f"{spec} is another after it was written")
    labels = {spec.label for spec in specs}
    must(len(labels) == len(set(specs)), variant.kind, f"two variants have one label among {sorted(labels)}")


def variant_counts_its_weights(variant: BlockVariant) -> None:
    """As many parameters as the child's own sub-block has, its norm included."""
    for spec, stack in _children(variant):
        counted, real = variant.parameters(spec, _shape(variant)), _real_parameters(stack, variant)
        must(counted == real, variant.kind, f"{spec.label} counts {counted} parameters, its sub-block has {real}")


def variant_builds_all_its_weights(variant: BlockVariant) -> None:
    """Every tensor of its sub-block, in its shape."""
    for spec, stack in _children(variant):
        missing = missing_weights(stack)
        must(not missing, variant.kind, f"{spec.label}: {'; '.join(missing)}")


def variant_builds_the_same_again(variant: BlockVariant) -> None:
    """Weights depend on the parent, the text and the seed alone."""
    first, second = _library(variant), _built(variant)
    for spec in _own(variant):
        for sub_block in first.sub_blocks():
            if sub_block.slot != variant.slot:
                continue
            one, other = first.weights(sub_block, spec), second.weights(sub_block, spec)
            same = one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)
            must(same, variant.kind, f"{spec.label} of {sub_block} was built otherwise when it was built again")


def variant_makes_a_child_that_runs(variant: BlockVariant) -> None:
    """Its logits are numbers."""
    import torch

    for spec, stack in _children(variant):
        with torch.no_grad():
            logits = whole_model(stack)(small_tokens()["heldback"]).logits
        must(bool(logits.isfinite().all()), variant.kind, f"{spec.label} made a child whose logits are no numbers")


def variant_sees_no_later_token(variant: BlockVariant) -> None:
    """What a token becomes does not depend on those behind it."""
    import torch

    tokens = small_tokens()["heldback"]
    changed = tokens.clone()
    changed[:, LENGTH // 2 :] = tokens[:, LENGTH // 2 :].flip(0)
    for spec, stack in _children(variant):
        model = whole_model(stack)
        with torch.no_grad():
            one, other = (model(each).logits[:, : LENGTH // 2] for each in (tokens, changed))
        apart = float((one - other).abs().max())
        must(
            apart < CLOSE, variant.kind, f"{spec.label} lets a token see those behind it (logits differ by {apart:.2g})"
        )


def variant_generates_what_it_computes(variant: BlockVariant) -> None:
    """Token by token with its cache, or without one, as in one piece."""
    import torch

    prompt = small_tokens()["heldback"][:3, :5]
    for spec, stack in _children(variant):
        model, whole = whole_model(stack), prompt
        with torch.no_grad():
            settings = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "pad_token_id": 3}
            made = model.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)
            for _ in range(6):
                logits = model(whole, use_cache=False).logits[:, -1]
                logits[:, model.config.eos_token_id] = -math.inf
                whole = torch.cat([whole, logits.argmax(-1, keepdim=True)], dim=1)
        must(made.equal(whole), variant.kind, f"{spec.label} generates other tokens with a cache than without one")


def variant_counts_its_cache(variant: BlockVariant) -> None:
    """As many values as its layer really leaves in the cache, of a short sequence and of a longer one."""
    import torch
    from transformers import DynamicCache

    for spec, stack in _children(variant):
        model = whole_model(stack)
        for length in (2, LENGTH):
            cache = DynamicCache(config=model.config)
            with torch.no_grad():
                model(small_tokens()["heldback"][:1, :length], past_key_values=cache, use_cache=True)
            values = sum(_values(cache, layer) for layer in range(len(stack)))
            values -= length * _kept_cache() * (len(stack) - (variant.slot == "attention"))
            counted = variant.cached_values(spec, _shape(variant), length)
            what = f"{spec.label} counts {counted} cached values of {length} tokens"
            must(counted == values, variant.kind, f"{what}, it keeps {values}")


def variant_has_operations_with_sizes(variant: BlockVariant) -> None:
    """What cost models price: finite numbers, for a prompt and for a step of a batch."""
    scenario = Scenario(batch=4, input_tokens=64, output_tokens=16)
    for spec in _own(variant):
        for work in (scenario.prefill, scenario.decode):
            for operation in variant.operations(spec, _shape(variant), work):
                sizes = list(operation.sizes)
                sound = all(math.isfinite(size) and size > 0 for size in sizes)
                must(sound, variant.kind, f"{spec.label} has an operation of no size: {operation}")


def variant_trains_weights_that_it_has(variant: BlockVariant) -> None:
    """`trainable` names some of the names that it is given."""
    library = _library(variant)
    for spec in _own(variant):
        names = [name for sub_block in library.sub_blocks()[-2:] if sub_block.slot == variant.slot
                 for name in library.weights(sub_block, spec)]  # fmt: skip
        unknown = set(variant.trainable(names)) - set(names)
        must(not unknown, variant.kind, f"{spec.label} would train {sorted(unknown)}, which it does not have")


def variant_module_is_self_contained(variant: BlockVariant) -> None:
    """Its module's file travels in checkpoints, so it imports torch, transformers and what comes with Python alone."""
    if variant.module is None:
        return
    path = Path(inspect.getfile(type(variant))).parent / variant.module[0]
    must(path.is_file(), variant.kind, f"there is no file {path}, which `module` names")
    allowed = {"torch", "transformers", *sys.stdlib_module_names}
    strangers = sorted(_imported(path) - allowed)
    must(not strangers, variant.kind, f"{path.name} imports {', '.join(strangers)}, which no checkpoint carries along")


def _imported(path: Path) -> set[str]:
    """The top-level packages that a file imports; `.` for a relative import."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    beside = {"." * node.level + (node.module or "") for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] or "." for name in plain | beside}


def _shape(variant: BlockVariant) -> SubBlockShape:
    return small_parent().shape(variant.slot)


def _resolved(variant: BlockVariant) -> Iterator[VariantSpec]:
    """The concrete variants of all `contract_options` that the tiny parent can take."""
    for options in variant.contract_options:
        try:
            yield variant.resolve(variant.Options.model_validate(dict(options)), _shape(variant))
        except VariantError:
            continue


def _own(variant: BlockVariant) -> tuple[VariantSpec, ...]:
    found = tuple(dict.fromkeys(spec for spec in _resolved(variant) if spec.kind == variant.kind))
    must(bool(found), variant.kind, "has no variant for a tiny model; give contract_options that fit one")
    return found


def _with(variant: BlockVariant) -> Variants:
    return {**installed_variants(), (variant.slot, variant.kind): variant}


def _library(variant: BlockVariant) -> Library:
    """Built once for all rules."""
    return _library_of(type(variant), _own(variant))


@cache
def _library_of(kind: type[BlockVariant], specs: tuple[VariantSpec, ...]) -> Library:
    return _built(kind())


def _built(variant: BlockVariant) -> Library:
    keep = {slot: (VariantSpec(slot, "keep"),) for slot in ("attention", "ffn")}
    specs = tuple(dict.fromkeys((*keep[variant.slot], *_own(variant))))
    return library_of({**keep, variant.slot: specs}, _with(variant))  # type: ignore[dict-item]


def _children(variant: BlockVariant) -> Iterator[tuple[VariantSpec, LayerStack]]:
    """The tiny parent with the last layer's sub-block replaced."""
    library = _library(variant)
    for spec in _own(variant):
        yield spec, child_with(library, spec, _with(variant))


def _real_parameters(stack: LayerStack, variant: BlockVariant) -> int:
    from blockwright.child.checkpoint import planned_tensors
    from blockwright.variants import MODULE_NAMES, NORM_NAMES

    parts = (f"model.layers.1.{MODULE_NAMES[variant.slot]}.", f"model.layers.1.{NORM_NAMES[variant.slot]}.")
    return sum(math.prod(one.shape) for one in planned_tensors(stack.config) if one.name.startswith(parts))


def _values(cache_of_model: object, layer: int) -> int:
    """How many numbers a layer of the cache holds: keys, values and states."""
    held = cache_of_model.layers[layer]  # type: ignore[attr-defined]
    tensors = [getattr(held, name, None) for name in ("keys", "values")]
    for states in ("conv_states", "recurrent_states"):
        tensors += getattr(held, states, {}).values()
    return sum(tensor.numel() for tensor in tensors if tensor is not None)


def _kept_cache() -> int:
    """Of a layer of the parent."""
    shape = small_parent().shape("attention")
    return 2 * shape.kv_heads * shape.head_dim


VARIANT_CONTRACT: tuple[Callable[[BlockVariant], None], ...] = (
    variant_resolves_its_options,
    variant_refuses_in_its_own_words,
    variant_labels_are_read_again,
    variant_counts_its_weights,
    variant_builds_all_its_weights,
    variant_builds_the_same_again,
    variant_makes_a_child_that_runs,
    variant_sees_no_later_token,
    variant_generates_what_it_computes,
    variant_counts_its_cache,
    variant_has_operations_with_sizes,
    variant_trains_weights_that_it_has,
    variant_module_is_self_contained,
)
"""All rules, to parametrize over."""
