from itertools import pairwise

import pytest
import torch
from torch import Tensor

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.healing.hidden_states import hidden_state_loss, layer_map

BOTH = {"skip": ["attention", "mlp"]}


def _config(*windows: list[int], **layers: dict[str, object]) -> BlockwrightConfig:
    """Six layers; those named L0 … L5 differ, and those of a window read one stream."""
    return BlockwrightConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=6, num_attention_heads=2,
        parallel_windows=list(windows),
        per_layer_config={name.removeprefix("L"): layer for name, layer in layers.items()},
    )  # fmt: skip


def _states(config: BlockwrightConfig, tokens: Tensor) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    model = BlockwrightForCausalLM(config)
    return tuple(model(tokens, output_hidden_states=True, use_cache=False).hidden_states)


def _random(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_every_state_after_a_layer_is_compared_where_none_is_skipped() -> None:
    assert layer_map(_config()) == tuple((index, index) for index in range(1, 7))


def test_a_layer_with_half_of_it_skipped_is_compared() -> None:
    assert (3, 3) in layer_map(_config(L2={"skip": ["attention"]}, L3={"skip": ["mlp"]}))


def test_a_run_of_skipped_layers_is_compared_after_its_last() -> None:
    assert layer_map(_config(L2=BOTH, L3=BOTH)) == ((1, 1), (4, 4), (5, 5), (6, 6))


def test_a_fused_run_is_compared_after_the_run() -> None:
    wide = {"intermediate_size": 72, "skip": ["attention"]}
    assert layer_map(_config(L1=wide, L2=BOTH, L3=BOTH)) == ((1, 1), (4, 4), (5, 5), (6, 6))


def test_a_window_of_layers_side_by_side_is_compared_after_its_last() -> None:
    assert layer_map(_config([1, 3])) == ((1, 1), (4, 4), (5, 5), (6, 6))
    assert layer_map(_config([4, 5])) == ((1, 1), (2, 2), (3, 3), (4, 4), (6, 6))
    assert layer_map(_config([1, 2], L3=BOTH)) == ((1, 1), (4, 4), (5, 5), (6, 6))


def test_skipped_layers_at_either_end_are_no_pairs_of_their_own() -> None:
    assert layer_map(_config(L0=BOTH, L1=BOTH)) == ((3, 3), (4, 4), (5, 5), (6, 6))
    assert layer_map(_config(L4=BOTH, L5=BOTH)) == ((1, 1), (2, 2), (3, 3), (6, 6))


def test_a_child_without_layers_that_run_has_nothing_to_compare() -> None:
    assert layer_map(_config(**{f"L{index}": BOTH for index in range(6)})) == ()


def test_the_indices_are_those_of_the_models_hidden_states() -> None:
    """A child with two skipped layers has one state there; the map names the last of the equal ones."""
    config, tokens = _config(L2=BOTH, L3=BOTH), torch.arange(8)[None]
    states = _states(config, tokens)
    assert len(states) == 7
    assert states[2].equal(states[3]) and states[3].equal(states[4])
    kept = [states[ours] for ours, _ in layer_map(config)]
    assert not any(one.equal(other) for one, other in pairwise(kept))


def test_the_loss_is_the_mean_of_one_minus_cosine() -> None:
    ours, theirs = ([_random(2, 5, 16, seed=seed + each) for each in range(3)] for seed in (0, 10))
    pairs = ((0, 1), (2, 2))
    wanted = sum((1 - torch.cosine_similarity(ours[i], theirs[j], dim=-1)).mean() for i, j in pairs) / 2
    torch.testing.assert_close(hidden_state_loss(ours, theirs, pairs), wanted)


def test_its_gradients_are_right() -> None:
    ours, theirs = _random(2, 3, 8).requires_grad_(), _random(2, 3, 8, seed=1)
    mask = torch.tensor([[True, True, False], [True, False, True]])
    assert torch.autograd.gradcheck(lambda x: hidden_state_loss([x], [theirs], [(0, 0)]), ours)
    assert torch.autograd.gradcheck(lambda x: hidden_state_loss([x], [theirs], [(0, 0)], mask), ours)


def test_equal_directions_cost_nothing_whatever_their_length() -> None:
    state = _random(4, 8)
    assert hidden_state_loss([state], [7 * state], [(0, 0)]).item() == pytest.approx(0, abs=1e-12)


def test_masked_tokens_do_not_count() -> None:
    ours, theirs = _random(2, 4, 8), _random(2, 4, 8, seed=1)
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    disturbed = torch.where(mask[..., None], ours, torch.full_like(ours, 1e3))
    losses = [hidden_state_loss([each], [theirs], [(0, 0)], mask).item() for each in (ours, disturbed)]
    assert losses[0] == losses[1] == pytest.approx(hidden_state_loss([ours[mask]], [theirs[mask]], [(0, 0)]).item())


def test_an_empty_mask_and_a_state_of_zeros_give_numbers() -> None:
    ours = torch.zeros(1, 2, 8, requires_grad=True)
    theirs = _random(1, 2, 8, dtype=torch.float32)
    hidden_state_loss([ours], [theirs], [(0, 0)]).backward()
    assert ours.grad is not None and ours.grad.isfinite().all()
    assert hidden_state_loss([ours], [theirs], [(0, 0)], torch.zeros(1, 2, dtype=torch.bool)).item() == 0


def test_bfloat16_states_are_summed_in_float32() -> None:
    ours, theirs = (_random(64, 512, dtype=torch.float32, seed=seed).bfloat16() for seed in (0, 1))
    loss = hidden_state_loss([ours.requires_grad_()], [theirs], [(0, 0)])
    wanted = (1 - torch.cosine_similarity(ours.double(), theirs.double(), dim=-1)).mean()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.backward()
    assert ours.grad is not None and ours.grad.dtype == torch.bfloat16
