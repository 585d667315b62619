"""`sliding_window` keeps the contract of variants; its memory and its time fall with the window."""

import pytest
from sliding_window import SlidingWindow, SlidingWindowOptions

from blockwright.contracts.variants import VARIANT_CONTRACT
from blockwright.costs import Scenario
from blockwright.variants import SubBlockShape

SHAPE = SubBlockShape("attention", hidden_size=64, attention_heads=4, kv_heads=2, head_dim=16, ffn_width=128)
VARIANT = SlidingWindow()


def spec_of(window):
    return VARIANT.resolve(SlidingWindowOptions(window=window), SHAPE)


@pytest.mark.parametrize("rule", VARIANT_CONTRACT, ids=lambda rule: rule.__name__)
def test_it_keeps_the_contract(rule):
    rule(VARIANT)


def test_its_cache_stops_growing():
    cached = [VARIANT.cached_values(spec_of(128), SHAPE, tokens) for tokens in (1, 127, 128, 4096)]
    assert cached == [64, 127 * 64, 127 * 64, 127 * 64]


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_shorter_window_takes_less_arithmetic(phase):
    work = getattr(Scenario(batch=4, input_tokens=4096), phase)
    flops = [sum(each.flops for each in VARIANT.operations(spec_of(window), SHAPE, work)) for window in (64, 512, 9999)]
    assert flops == sorted(set(flops))


def test_a_token_sees_its_window_and_no_more():
    import torch

    from blockwright.contracts.small_world import child_with, installed_variants, library_of, small_parent, whole_model
    from blockwright.variants import VariantSpec

    variants = {**installed_variants(), ("attention", "sliding_window"): VARIANT}
    spec = VARIANT.resolve(SlidingWindowOptions(window=4), small_parent().shape("attention"))
    kinds = {slot: [VariantSpec(slot, "keep")] for slot in ("attention", "ffn")}
    library = library_of({**kinds, "attention": [*kinds["attention"], spec]}, variants)
    attention = whole_model(child_with(library, spec, variants)).model.layers[1]
    stream = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(0))
    changed = stream.clone()
    changed[:, 3] += 1
    arguments = child_with(library, spec, variants).attention_arguments(8)
    with torch.no_grad():
        apart = (attention.attend(stream, **arguments) - attention.attend(changed, **arguments)).abs().amax(-1)[0]
    assert (apart > 1e-6).tolist() == [False] * 3 + [True] * 4 + [False]
