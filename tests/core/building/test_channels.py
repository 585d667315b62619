import torch

from blockwright.building.channels import CHANNEL_CHOICES, Elimination, FFNMoments, expected_loss, nested_refits
from blockwright.building.regression import regularise
from blockwright.construction import LibrarySettings


def _sub_block(width: int = 24, hidden: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Correlated features (400, width), a down projection (hidden, width), and a gradient moment (hidden, hidden)."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(width, width, generator=generator) + 2 * torch.eye(width)
    features = torch.randn(400, width, generator=generator) @ mixing
    gradients = torch.randn(300, hidden, generator=generator) * torch.tensor([10.0, 1, 1, 0.1, 0.01])
    return features.double(), torch.randn(hidden, width, generator=generator), gradients.T @ gradients / 300


def test_the_weights_of_kept_channels_solve_the_least_squares_problem() -> None:
    features, down, gradient = _sub_block()
    moments = FFNMoments(features.T @ features, down, gradient)
    kept, refitted = nested_refits(moments, [10], LibrarySettings(ridge=1e-6))[10]
    expected = torch.linalg.lstsq(features[:, kept], features @ down.double().T).solution.T
    assert torch.allclose(refitted.double(), expected, rtol=1e-3, atol=1e-4)


def test_widths_nest() -> None:
    features, down, gradient_moment = _sub_block()
    moments = FFNMoments(features.T @ features, down, gradient_moment)
    refits = nested_refits(moments, [20, 12, 4], LibrarySettings(channels_at_once=3))
    assert set(refits[4][0].tolist()) < set(refits[12][0].tolist()) < set(refits[20][0].tolist())
    assert {width: refit[1].shape for width, refit in refits.items()} == {20: (5, 20), 12: (5, 12), 4: (5, 4)}


def test_the_first_channel_dropped_costs_least_through_the_output() -> None:
    features, down, gradient_moment = _sub_block()
    moment = features.T @ features

    def loss(dropped: int) -> float:
        others = [channel for channel in range(24) if channel != dropped]
        target = features @ down.double().T
        error = target - features[:, others] @ torch.linalg.lstsq(features[:, others], target).solution
        return float(((error @ gradient_moment.double()) * error).sum())

    settings = LibrarySettings(ridge=1e-9, channels_at_once=1)
    kept = nested_refits(FFNMoments(moment, down, gradient_moment), [23], settings)[23][0].tolist()
    [dropped] = set(range(24)) - set(kept)
    assert dropped == min(range(24), key=loss)


def test_the_output_decides_which_channels_go() -> None:
    features, down, _ = _sub_block()
    only_first = torch.zeros(5, 5)
    only_first[0, 0] = 1
    settings = LibrarySettings(channels_at_once=1)
    moment = features.T @ features
    plain = nested_refits(FFNMoments(moment, down, torch.eye(5)), [8], settings)[8][0]
    seen = nested_refits(FFNMoments(moment, down, only_first), [8], settings)[8][0]
    assert set(plain.tolist()) != set(seen.tolist())


def test_elimination_keeps_the_inverse_exact() -> None:
    features, down, _ = _sub_block()
    moment = regularise(features.T @ features, 1e-3)
    elimination = Elimination(moment, down.double().T)
    elimination.drop(torch.tensor([1, 5, 7]))
    elimination.drop(torch.tensor([0, 2]))
    kept = elimination.kept
    assert torch.allclose(elimination.inverse @ moment[kept][:, kept], torch.eye(19, dtype=torch.float64), atol=1e-8)


def test_magnitude_keeps_the_loudest_channels() -> None:
    features, down, gradient = _sub_block()
    moments = FFNMoments(features.T @ features, down, gradient)
    kept = nested_refits(moments, [6], LibrarySettings(), "magnitude")[6][0]
    loudness = features.square().mean(0).sqrt() * down.double().norm(dim=0)
    assert set(kept.tolist()) == set(loudness.topk(6).indices.tolist())


def test_expected_loss_is_the_mean_squared_change_seen_through_the_output() -> None:
    features, down, gradient = _sub_block()
    moments = FFNMoments(features.T @ features, down, gradient)
    for choice in CHANNEL_CHOICES:
        kept, refitted = refit = nested_refits(moments, [9], LibrarySettings(), choice)[9]
        change = features[:, kept] @ refitted.double().T - features @ down.double().T
        expected = float(((change @ gradient.double()) * change).sum() / 2)
        assert abs(expected_loss(refit, moments) - expected) < 1e-6 * expected
