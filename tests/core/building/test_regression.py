import torch

from blockwright.building.regression import OutputWeightedRidge, regularise, ridge


def _problem() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    return inputs, torch.randn(50, 3, generator=generator, dtype=torch.float64)


def test_ridge_without_strength_is_least_squares() -> None:
    inputs, targets = _problem()
    expected = torch.linalg.lstsq(inputs, targets).solution
    assert torch.allclose(ridge(inputs.T @ inputs, inputs.T @ targets, 0.0), expected)


def test_ridge_minimises_the_penalised_error() -> None:
    inputs, targets = _problem()
    moment, towards = inputs.T @ inputs, torch.ones(6, 3, dtype=torch.float64)
    penalty = 0.3 * moment.diagonal().mean()
    best = ridge(moment, inputs.T @ targets, 0.3, towards=towards)

    def loss(weights: torch.Tensor) -> float:
        return float((inputs @ weights - targets).square().sum() + penalty * (weights - towards).square().sum())

    directions = torch.randn(20, 6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert all(loss(best) < loss(best + 1e-3 * direction) for direction in directions)


def test_a_strong_ridge_stays_where_it_is_pulled_to() -> None:
    inputs, targets = _problem()
    towards = torch.full((6, 3), 2.0, dtype=torch.float64)
    assert torch.allclose(ridge(inputs.T @ inputs, inputs.T @ targets, 1e9, towards=towards), towards, atol=1e-6)


def test_a_regularised_moment_of_nothing_is_still_positive() -> None:
    assert bool((torch.linalg.eigvalsh(regularise(torch.zeros(4, 4), 1e-3)) > 0).all())


def test_output_weighted_ridge_minimises_the_error_seen_through_the_output() -> None:
    inputs, targets = _problem()
    generator = torch.Generator().manual_seed(3)
    factor = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    output_moment = factor.T @ factor
    moment, towards = inputs.T @ inputs, torch.ones(6, 3, dtype=torch.float64)
    best = OutputWeightedRidge(moment, output_moment).solve(inputs.T @ targets, 0.3, towards)
    metric = output_moment / output_moment.diagonal().mean()
    penalty = 0.3 * moment.diagonal().mean()

    def loss(weights: torch.Tensor) -> float:
        error = inputs @ weights - targets
        return float(((error @ metric) * error).sum() + penalty * (weights - towards).square().sum())

    directions = torch.randn(20, 6, 3, generator=generator, dtype=torch.float64)
    assert all(loss(best) < loss(best + 1e-3 * direction) for direction in directions)


def test_output_weighted_ridge_with_a_plain_output_is_ridge() -> None:
    inputs, targets = _problem()
    moment, cross, towards = inputs.T @ inputs, inputs.T @ targets, torch.ones(6, 3, dtype=torch.float64)
    weighted = OutputWeightedRidge(moment, 7 * torch.eye(3)).solve(cross, 0.1, towards)
    assert torch.allclose(weighted, ridge(moment, cross, 0.1, towards))
