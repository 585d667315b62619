from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

import blockwright_spaces
from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.errors import UserError
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.spaces.files import read_space
from blockwright.spaces.reading import resolve_space

BUNDLED = Path(blockwright_spaces.__file__).parent


def _parent(layers: int = 4, kv_heads: int = 8, width: int = 1000) -> Parent:
    config = BlockwrightConfig(
        hidden_size=64, num_hidden_layers=layers, num_attention_heads=2 * kv_heads, head_dim=8,
        num_key_value_heads=kv_heads, intermediate_size=width,
    )  # fmt: skip
    return Parent(Path(), config, "llama")


def _labels(data: object, parent: Parent) -> dict[str, list[str]]:
    space, mistakes = resolve_space(data, parent, Plugins.load().variants)
    assert mistakes == []
    return {str(sub_block): [spec.label for spec in specs] for sub_block, specs in space.items()}


def _mistakes(data: object, parent: Parent) -> list[tuple[str, str]]:
    _, mistakes = resolve_space(data, parent, Plugins.load().variants)
    return [(mistake.dotted, mistake.message) for mistake in mistakes]


def _space(attention: object = (), ffn: object = (), **other: object) -> Mapping[str, object]:
    return {"variants": {"attention": list(attention), "ffn": list(ffn)}, **other}  # type: ignore[call-overload]


def test_puzzle_has_54_variants_a_layer_on_a_parent_with_eight_kv_heads() -> None:
    labels = _labels(yaml.safe_load((BUNDLED / "puzzle.yaml").read_text()), _parent())
    assert labels["attention.2"] == ["keep", "kv_heads=4", "kv_heads=2", "kv_heads=1", "linear", "skip"]
    assert len(labels["attention.2"]) * len(labels["ffn.2"]) == 54


def test_puzzle_resolves_to_what_divides_three_kv_heads() -> None:
    labels = _labels(yaml.safe_load((BUNDLED / "puzzle.yaml").read_text()), _parent(kv_heads=3))
    assert labels["attention.0"] == ["keep", "kv_heads=1", "linear", "skip"]


@pytest.mark.parametrize("file", sorted(BUNDLED.glob("*.yaml")), ids=lambda file: str(file.stem))
def test_bundled_spaces_resolve_on_every_parent(file: Path) -> None:
    for parent in (_parent(), _parent(kv_heads=3, width=1536), _parent(layers=1, kv_heads=1)):
        labels = _labels(yaml.safe_load(file.read_text()), parent)
        assert all(variants[0] == "keep" for variants in labels.values())


def test_twelfths_of_smollm2_are_multiples_of_128() -> None:
    labels = _labels(yaml.safe_load((BUNDLED / "twelfths.yaml").read_text()), _parent(kv_heads=3, width=1536))
    assert [label for label in labels["ffn.0"] if label.startswith("narrow")] == [
        f"narrow={128 * part}" for part in range(11, 0, -1)
    ]


def test_keep_is_implied_and_equal_variants_become_one() -> None:
    labels = _labels(_space([{"kv_heads": 1}, {"kv_heads": "12.5%"}], [{"narrow": 1000}, {"narrow": "50%"}]), _parent())
    assert labels["attention.0"] == ["keep", "kv_heads=1"]
    assert labels["ffn.0"] == ["keep", "narrow=500"]


def test_except_rules_replace_and_forbid_on_their_layers() -> None:
    rules = [
        {"layers": ["first", -1], "forbid": "skip"},
        {"layers": "1-2", "ffn": [{"narrow": 10}]},
        {"layers": 2, "ffn": ["linear"]},
    ]
    labels = _labels(_space(["skip"], ["skip"], **{"except": rules}), _parent())
    assert [labels[f"attention.{layer}"] for layer in range(4)] == [
        ["keep"],
        ["keep", "skip"],
        ["keep", "skip"],
        ["keep"],
    ]
    assert [labels[f"ffn.{layer}"] for layer in range(4)] == [
        ["keep"],
        ["keep", "narrow=10"],
        ["keep", "linear"],
        ["keep"],
    ]


@pytest.mark.parametrize(
    "data, place, says",
    [
        (_space(["skp"]), "variants.attention.0", "no attention variant is called 'skp', did you mean 'skip'?"),
        (_space(ffn=[{"kv_heads": 1}]), "variants.ffn.0.kv_heads", "no ffn variant is called 'kv_heads'"),
        (_space([{"kv_heads": 3}]), "variants.attention.0.kv_heads", "3 KV heads do not divide the parent's 8"),
        (_space(ffn=[{"narrow": 1001}]), "variants.ffn.0.narrow", "does not fit the parent's FFN of 1000"),
        (_space(ffn=[{"narrow": "fifty"}]), "variants.ffn.0.narrow", "write one like 50%"),
        (_space(ffn=[{"narrow": -8}]), "variants.ffn.0.narrow", "a width is at least 1"),
        (_space(ffn=[{"narrow": {"widht": 8}}]), "variants.ffn.0.narrow.widht", "did you mean 'width'?"),
        (_space(ffn=["narrow"]), "variants.ffn.0", "`narrow` needs a value, written `{narrow: …}`"),
        (_space(ffn=[{"skip": 3}]), "variants.ffn.0.skip", "takes no value"),
        (_space(ffn=[7]), "variants.ffn.0", "expected a variant like `skip`"),
        (_space(**{"except": [{"layers": 4}]}), "except.0.layers", "the parent has 4 layers, 0 to 3"),
        (_space(**{"except": [{"layers": "2-9"}]}), "except.0.layers", "there is no layer '2-9'"),
        (_space(**{"except": [{"layers": -5}]}), "except.0.layers", "there is no layer '-5'"),
        (_space(**{"except": [{"layers": "some"}]}), "except.0.layers", "expected layers like 0, -1, 0-3"),
        (_space(**{"except": [{"layers": 0, "forbid": ["skp"]}]}), "except.0.forbid.0", "did you mean 'skip'?"),
        (_space(**{"except": [{"layers": 0, "forbid": "keep"}]}), "except.0.forbid", "cannot be forbidden"),
        ({"varants": {}}, "varants", "did you mean 'variants'?"),
    ],
)
def test_a_mistake_is_told_at_its_key(data: object, place: str, says: str) -> None:
    found = _mistakes(data, _parent())
    assert place in [dotted for dotted, _ in found]
    assert any(says in message for _, message in found)


def test_all_mistakes_are_told_at_once() -> None:
    data = _space(["skp", {"kv_heads": 3}], ["lineer"], **{"except": [{"layers": 9, "forbid": "skip"}]})
    assert {dotted for dotted, _ in _mistakes(data, _parent())} == {
        "variants.attention.0",
        "variants.attention.1.kv_heads",
        "variants.ffn.0",
        "except.0.layers",
    }


def test_a_space_is_found_by_name_by_path_and_in_place(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("variants: {ffn: [skip]}\n")
    assert read_space("mine.yaml", [], tmp_path).data == {"variants": {"ffn": ["skip"]}}
    assert read_space("puzzle", [BUNDLED], tmp_path).file == BUNDLED / "puzzle.yaml"
    assert read_space({"variants": {}}, [], tmp_path).file is None


def test_a_space_that_is_nowhere_is_told() -> None:
    with pytest.raises(UserError, match="no search space is called 'puzle', did you mean 'puzzle'"):
        read_space("puzle", [BUNDLED], Path())


def test_a_mistake_in_a_spaces_own_file_names_that_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("variants:\n  ffn:\n    - skip\n    - lineer\n")
    written = read_space("mine.yaml", [], tmp_path)
    _, mistakes = resolve_space(written.data, _parent(), Plugins.load().variants)
    [told] = written.mistakes_in_the_recipe(mistakes)
    assert told.path == ("space",)
    assert told.message.startswith(f"{tmp_path}/mine.yaml:4: variants.ffn.1: no ffn variant is called 'lineer'")


def _bundled(name: str) -> dict[str, list[str]]:
    return _labels(yaml.safe_load((BUNDLED / f"{name}.yaml").read_text()), _parent())


def test_attention_skip_leaves_ffns_and_the_first_attention_alone() -> None:
    labels = _bundled("attention-skip")
    assert labels["attention.0"] == ["keep"]
    assert [labels[f"attention.{layer}"] for layer in (1, 2, 3)] == [["keep", "skip"]] * 3
    assert all(labels[f"ffn.{layer}"] == ["keep"] for layer in range(4))


def test_ffn_only_leaves_attention_alone() -> None:
    labels = _bundled("ffn-only")
    assert all(labels[f"attention.{layer}"] == ["keep"] for layer in range(4))
    assert len(labels["ffn.0"]) == 9
