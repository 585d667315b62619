"""Search spaces become concrete variants on a parent, and what does not fit it is told where it stands."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from blockwright.spaces.reading import parse_space
from blockwright.spaces.space import Entry, Facts, SearchSpace, resolve
from blockwright.variants import SubBlock, SubBlockShape, VariantSpec
from blockwright_plugins.variants import register_block_variants

VARIANTS = {(variant.slot, variant.kind): variant() for variant in register_block_variants()}


def facts(kv_heads: int = 8, ffn_width: int = 1536, layers: int = 4) -> Facts:
    sizes = {"hidden_size": 64, "attention_heads": 24, "head_dim": 8}
    shapes = {
        slot: SubBlockShape(slot=slot, kv_heads=kv_heads, ffn_width=ffn_width, **sizes) for slot in ("attention", "ffn")
    }
    return Facts(shapes, layers, VARIANTS)


def labels(data: Mapping[str, object], of: Facts) -> dict[str, list[str]]:
    """What each sub-block may take; the space must be without mistakes."""
    space, unreadable = parse_space(data)
    resolved, unfitting = resolve(space, of)
    assert unreadable == unfitting == []
    return {str(sub_block): [spec.label for spec in specs] for sub_block, specs in resolved.items()}


def told(data: object, of: Facts) -> list[tuple[str, str]]:
    space, unreadable = parse_space(data)
    _, unfitting = resolve(space, of)
    return [(mistake.dotted, mistake.message) for mistake in [*unreadable, *unfitting]]


def test_every_sub_block_is_there_in_the_order_that_data_takes() -> None:
    assert list(labels({"ffn": ["skip"]}, facts(layers=2))) == ["attention.0", "ffn.0", "attention.1", "ffn.1"]


def test_keep_comes_first_and_need_not_be_written() -> None:
    found = labels({"attention": ["skip"], "ffn": [{"narrow": "50%"}, "keep"]}, facts())
    assert found["attention.0"] == ["keep", "skip"]
    assert found["ffn.0"] == ["keep", "narrow=768"]


def test_main_options_may_be_written_by_name() -> None:
    found = labels({"ffn": [{"narrow": {"width": 12}}, {"narrow": 24}]}, facts())
    assert found["ffn.0"] == ["keep", "narrow=12", "narrow=24"]


def test_the_lists_may_stand_under_variants() -> None:
    nested = {"variants": {"attention": ["skip"], "ffn": ["linear"]}}
    assert labels(nested, facts()) == labels(nested["variants"], facts())


def test_shares_that_come_to_the_same_are_one_variant() -> None:
    shares = [{"kv_heads": share} for share in ("50%", "25%", "12.5%", "100%")]
    assert labels({"attention": shares}, facts(kv_heads=3))["attention.0"] == ["keep", "kv_heads=1"]
    assert labels({"attention": shares}, facts(kv_heads=8))["attention.0"] == [
        "keep", "kv_heads=4", "kv_heads=2", "kv_heads=1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (0, [0]),
        ("0-2", [0, 1, 2]),
        (-1, [3]),
        ([0, "last"], [0, 3]),
        ("first", [0]),
        ("-2--1", [2, 3]),
        ("1--2", [1, 2]),
    ],
)
def test_a_rule_holds_on_its_layers_only(layers: object, expected: list[int]) -> None:
    found = labels({"attention": ["skip"], "except": [{"layers": layers, "forbid": ["skip"]}]}, facts())
    assert [layer for layer in range(4) if found[f"attention.{layer}"] == ["keep"]] == expected


def test_a_rule_replaces_a_list_or_forbids_kinds_and_single_variants_and_later_rules_win() -> None:
    rules = [
        {"layers": "0-1", "ffn": ["linear", "skip"]},
        {"layers": 1, "forbid": ["skip", {"kv_heads": 2}]},
        {"layers": 1, "attention": ["skip"]},
    ]
    found = labels(
        {"attention": [{"kv_heads": 2}, {"kv_heads": 1}, "skip"], "ffn": [{"narrow": 8}], "except": rules}, facts()
    )
    assert found["ffn.0"] == ["keep", "linear", "skip"]
    assert found["ffn.1"] == ["keep", "linear"]
    assert found["attention.0"] == ["keep", "kv_heads=2", "kv_heads=1", "skip"]
    assert found["attention.1"] == ["keep", "skip"]
    assert found["ffn.2"] == ["keep", "narrow=8"]


def test_resolved_spaces_are_specs_by_sub_block() -> None:
    space = SearchSpace({"ffn": (Entry("narrow", "25%"),)})
    resolved, mistakes = resolve(space, facts(layers=1))
    assert mistakes == []
    narrowed = VariantSpec("ffn", "narrow", (("width", 384),))
    assert resolved[SubBlock(0, "ffn")] == (VariantSpec("ffn", "keep"), narrowed)


MISTAKES = {
    "no mapping": ("puzzle", "", "a search space is a mapping with attention and ffn, not 'puzzle'"),
    "empty": ({}, "", "the search space holds no variants; list some under attention and ffn"),
    "unknown key": ({"fnn": ["skip"], "attention": ["skip"]}, "fnn", "no such key, did you mean 'ffn'?"),
    "no list": ({"ffn": "skip"}, "ffn", "expected a list, got 'skip'"),
    "unknown variant": (
        {"ffn": ["keep", "skpi"]}, "ffn.1", "no ffn variant is called 'skpi', did you mean 'skip'?",
    ),
    "of the other slot": (
        {"ffn": [{"kv_heads": 1}]}, "ffn.0.kv_heads",
        "no ffn variant is called 'kv_heads'; there is keep, linear, narrow, skip",
    ),
    "heads that do not divide": (
        {"attention": [{"kv_heads": 3}]}, "attention.0.kv_heads",
        "3 KV heads do not divide the parent's 8; it can take 1, 2, 4, 8",
    ),
    "too wide": (
        {"ffn": [{"narrow": {"width": 4096}}]}, "ffn.0.narrow",
        "a width of 4096 does not fit the parent's FFN of 1536 channels",
    ),
    "bad main option": ({"ffn": [{"narrow": "half"}]}, "ffn.0.narrow", "'half' is no percentage; write one like 50%"),
    "unknown option": (
        {"ffn": [{"narrow": {"widht": 5, "width": 5}}]}, "ffn.0.narrow.widht", "no such key, did you mean 'width'?",
    ),
    "main option not given": ({"ffn": ["narrow"]}, "ffn.0", "`narrow` needs a value, written `{narrow: …}`"),
    "options of what has none": (
        {"ffn": [{"skip": 3}]}, "ffn.0.skip", "`skip` takes no value; write it alone",
    ),
    "two variants in one": (
        {"ffn": [{"skip": None, "linear": None}]}, "ffn.0",
        "expected a variant like `skip`, `{narrow: 50%}` or `{kind: {option: 1}}`, got {'skip': None, 'linear': None}",
    ),
    "a layer that is not there": (
        {"ffn": ["skip"], "except": [{"layers": [0, 4], "forbid": ["skip"]}]}, "except.0.layers.1",
        "there is no layer '4': the parent has 4 layers, 0 to 3",
    ),
    "an empty range": (
        {"ffn": ["skip"], "except": [{"layers": "3-1", "forbid": ["skip"]}]}, "except.0.layers",
        "the range 3-1 holds no layer; write the lower one first",
    ),
    "no layers": (
        {"ffn": ["skip"], "except": [{"forbid": ["skip"]}]}, "except.0.layers",
        "is missing; expected layers like 0, -1, 0-3, [0, 29], first or last",
    ),
    "no layer": (
        {"ffn": ["skip"], "except": [{"layers": "top", "forbid": ["skip"]}]}, "except.0.layers",
        "expected layers like 0, -1, 0-3, first or last, got 'top'",
    ),
    "a rule without effect": (
        {"ffn": ["skip"], "except": [{"layers": 0}]}, "except.0", "changes nothing; give it attention, ffn or forbid",
    ),
    "keep forbidden": (
        {"ffn": ["skip"], "except": [{"layers": 0, "forbid": ["keep"]}]}, "except.0.forbid.0",
        "keep cannot be forbidden: every sub-block may stay as it is",
    ),
    "unknown variant forbidden": (
        {"ffn": ["skip"], "except": [{"layers": 0, "forbid": ["skp"]}]}, "except.0.forbid.0",
        "no variant is called 'skp', did you mean 'skip'?",
    ),
    "written twice": (
        {"ffn": ["skip"], "variants": {"ffn": ["skip"]}}, "ffn", "stands also under variants.ffn; write it once",
    ),
    "name that is no text": ({"ffn": ["skip"], "name": 3}, "name", "expected text, got 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_at_its_key(case: str) -> None:
    data, key, message = MISTAKES[case]
    assert told(data, facts()) == [(key, message)]


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {
        "attention": [{"kv_heads": 3}, "skp", 7],
        "ffn": [{"narrow": "200%"}],
        "except": ["first", {"layers": "9", "forbid": ["skip"]}],
    }
    assert [key for key, _ in told(wrong, facts())] == [
        "attention.2", "except.0", "attention.0.kv_heads", "attention.1", "ffn.0.narrow", "except.1.layers",
    ]  # fmt: skip
