"""Parts of models timed in place, and whole models predicted from them."""

from __future__ import annotations

import pytest

from blockwright.costs import Scenario
from blockwright.costs.parts import PlacedVariant
from blockwright.measuring.parts import measure_parts, step_job, timed_part, timed_rest, whole_model
from blockwright.measuring.timers import CPUTimer
from blockwright.measuring.whole_models import Checked, mixed_children, speed_up_errors
from blockwright.parent import Parent
from blockwright.plugins import Plugins
from blockwright.variants import Slot, SubBlock, VariantSpec

SCENARIO = Scenario(batch=2, input_tokens=6, output_tokens=4, weights="fp32", kv="fp32")


@pytest.fixture(scope="module")
def parts(parent: Parent, plugins: Plugins) -> dict[str, PlacedVariant]:
    specs = [
        VariantSpec("attention", "keep"),
        VariantSpec("attention", "kv_heads", (("heads", 1),)),
        VariantSpec("ffn", "keep"),
        VariantSpec("ffn", "narrow", (("width", 8),)),
        VariantSpec("ffn", "linear"),
        VariantSpec("ffn", "skip"),
    ]

    def placed(spec: VariantSpec, slot: Slot) -> PlacedVariant:
        return PlacedVariant(plugins.variants[(slot, spec.kind)], spec, parent.shape(slot))

    return {f"{spec.slot} {spec.label}": placed(spec, spec.slot) for spec in specs}


def test_every_part_has_a_time_in_every_step(parent: Parent, parts: dict[str, PlacedVariant]) -> None:
    works = (SCENARIO.prefill, SCENARIO.decode)
    timings = measure_parts(parent.config, parts.values(), works, CPUTimer(), seconds=0)
    wanted = {timed_part(part, work) for part in parts.values() if part.spec.kind != "skip" for work in works}
    wanted |= {timed_rest(parent.config.vocab_size, parent.config.hidden_size, work) for work in works}
    assert set(timings) == wanted
    assert all(ms >= 0 for ms in timings.values())
    assert all(timings[timed_rest(parent.config.vocab_size, parent.config.hidden_size, work)] > 0 for work in works)


def test_the_key_of_a_part_holds_all_that_its_time_depends_on(parts: dict[str, PlacedVariant]) -> None:
    works = [SCENARIO.prefill, SCENARIO.decode, Scenario(batch=3, weights="fp32").decode]
    keys = {timed_part(part, work) for part in parts.values() for work in works}
    assert len(keys) == len(parts) * len(works)


def test_a_decoding_step_finds_the_same_cache_every_time(parent: Parent, parts: dict[str, PlacedVariant]) -> None:
    import torch

    model = whole_model(parent.config, [[parts["attention keep"], parts["ffn keep"]]] * 2, "cpu")
    job = step_job(model, SCENARIO.decode, "cpu")
    with torch.inference_mode():
        outputs = [(job.run(), job.reset())[0] for _ in range(3)]
    lengths = {output.past_key_values.get_seq_length() for output in outputs}  # type: ignore[attr-defined]
    assert lengths == {SCENARIO.decode.kv_tokens - 1}
    assert all(torch.equal(outputs[0].logits, output.logits) for output in outputs)  # type: ignore[attr-defined]


def test_a_whole_model_has_the_layers_that_were_asked_for(parent: Parent, parts: dict[str, PlacedVariant]) -> None:
    model = whole_model(parent.config, [[parts["attention kv_heads=1"], parts["ffn narrow=8"]], [], []], "cpu")
    layers = [model.config.layer(index) for index in range(3)]
    assert (layers[0].num_key_value_heads, layers[0].intermediate_size, layers[0].skip) == (1, 8, [])
    assert [sorted(layer.skip) for layer in layers[1:]] == [["attention", "mlp"]] * 2


def test_mixed_children_differ_and_keep_the_first_attention(plugins: Plugins) -> None:
    specs = (VariantSpec("ffn", "keep"), VariantSpec("ffn", "narrow", (("width", 8),)), VariantSpec("ffn", "skip"))
    space = {SubBlock(layer, "ffn"): specs for layer in range(8)}
    space |= {SubBlock(layer, "attention"): (VariantSpec("attention", "keep"), VariantSpec("attention", "skip"))
              for layer in range(8)}  # fmt: skip
    children = mixed_children(space)
    assert len(children) == 3
    assert len({tuple(sorted(child.items())) for child in children.values()}) == 3
    assert all(SubBlock(0, "attention") not in child for child in children.values())
    assert all(child[one] in space[one] for child in children.values() for one in child)


def test_an_error_that_parent_and_child_share_leaves_the_speed_up_right() -> None:
    checked = [
        Checked("parent", "decode", "tables", 8.0, 10.0),
        Checked("child", "decode", "tables", 4.0, 5.0),
        Checked("other", "decode", "tables", 4.0, 4.0),
    ]
    assert [one.error for one in checked] == pytest.approx([-0.2, -0.2, 0.0])
    assert speed_up_errors(checked) == pytest.approx((0.0, -0.2))
