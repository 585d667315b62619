from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from blockwright.healing import fused_divergence as module
from blockwright.healing.fused_divergence import Losses, fused_divergence

IGNORED = -100


@dataclass(frozen=True)
class Case:
    """A child and a parent of other width on the same tokens, close enough to each other to be a distillation."""

    hidden: Tensor
    weight: Tensor
    parent_hidden: Tensor
    parent_weight: Tensor
    labels: Tensor

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.hidden, self.weight, self.parent_hidden, self.parent_weight

    def fresh(self) -> "Case":
        """The same with gradients of its own."""
        hidden, weight = (each.detach().clone().requires_grad_(each.requires_grad) for each in self.tensors[:2])
        return Case(hidden, weight, self.parent_hidden, self.parent_weight, self.labels)


def _case(tokens: int, vocabulary: int, width: int = 24, dtype: torch.dtype = torch.float32) -> Case:
    generator = torch.Generator().manual_seed(tokens + vocabulary)
    shapes = ((tokens, width), (vocabulary, width), (tokens, width + 8), (vocabulary, width + 8))
    hidden, weight, parent_hidden, parent_weight = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes
    )
    labels = torch.randint(0, vocabulary, (tokens,), generator=generator)
    labels[1::3] = IGNORED
    return Case(hidden.requires_grad_(), weight.mul_(0.3).requires_grad_(), parent_hidden, parent_weight * 0.3, labels)


def _plain(case: Case, temperature: float = 1.0) -> Losses:
    """By the formula, with whole logits."""
    logits, parent_logits = case.hidden @ case.weight.T, case.parent_hidden @ case.parent_weight.T
    log_q, log_p = (torch.log_softmax(each / temperature, dim=-1) for each in (logits, parent_logits))
    divergence = temperature**2 * (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()
    return Losses(divergence, nn.functional.cross_entropy(logits, case.labels, ignore_index=IGNORED))


def _gradients(case: Case, loss: Tensor) -> list[Tensor]:
    """At hidden states and weight."""
    return list(torch.autograd.grad(loss, [each for each in (case.hidden, case.weight) if each.requires_grad]))


def _relative_error(ours: Tensor, wanted: Tensor) -> float:
    return float((ours.double() - wanted.double()).norm() / wanted.double().norm())


def _assert_close(ours: Sequence[Tensor], wanted: Sequence[Tensor], rel: float) -> None:
    assert len(ours) == len(wanted)
    for one, other in zip(ours, wanted, strict=True):
        assert one.shape == other.shape
        assert _relative_error(one, other) < rel


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradients_pass_gradcheck(temperature: float) -> None:
    case = _case(5, 7, 3, torch.float64)

    def divergence(hidden: Tensor, weight: Tensor) -> Tensor:
        parent = case.parent_hidden, case.parent_weight
        return fused_divergence(hidden, weight, *parent, temperature=temperature, rows_at_once=2).divergence

    assert torch.autograd.gradcheck(divergence, (case.hidden, case.weight))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradients_of_both_losses_pass_gradcheck_however_they_are_weighed(temperature: float) -> None:
    case = _case(5, 7, 3, torch.float64)

    def both(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        losses = fused_divergence(
            hidden, weight, case.parent_hidden, case.parent_weight,
            temperature=temperature, labels=case.labels, rows_at_once=2,
        )  # fmt: skip
        assert losses.language_model is not None
        return losses.divergence, losses.language_model

    assert torch.autograd.gradcheck(both, (case.hidden, case.weight))
    assert torch.autograd.gradcheck(lambda *args: 0.3 * both(*args)[0] + 2 * both(*args)[1], (case.hidden, case.weight))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("rows_at_once", [64, 150, 1000])
def test_losses_and_gradients_equal_the_plain_formulas_to_float32_rounding(
    temperature: float, rows_at_once: int
) -> None:
    """150 rows by 64 leave an uneven last chunk."""
    case = _case(150, 4000)
    wanted = _plain(case, temperature)
    ours = fused_divergence(*case.tensors, temperature=temperature, rows_at_once=rows_at_once)
    assert ours.language_model is None
    assert ours.divergence.item() == pytest.approx(wanted.divergence.item(), rel=1e-5)
    _assert_close(_gradients(case, ours.divergence), _gradients(case, wanted.divergence), 3e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_both_losses_weighed_equal_the_plain_formulas(temperature: float) -> None:
    case = _case(150, 4000)
    wanted = _plain(case, temperature)
    ours = fused_divergence(*case.tensors, temperature=temperature, labels=case.labels, rows_at_once=64)
    assert ours.language_model is not None and wanted.language_model is not None
    assert ours.language_model.item() == pytest.approx(wanted.language_model.item(), rel=1e-5)
    totals = [0.7 * each.divergence + 0.2 * each.language_model for each in (ours, wanted)]
    _assert_close(_gradients(case, totals[0]), _gradients(case, totals[1]), 3e-6)


def test_the_rounding_is_no_worse_than_the_plain_formulas() -> None:
    """Both against float64."""
    case = _case(100, 4000)
    exact = Case(*(each.detach().double() for each in case.tensors), case.labels)
    exact = Case(exact.hidden.requires_grad_(), exact.weight.requires_grad_(), *exact.tensors[2:], exact.labels)
    wanted = _gradients(exact, _plain(exact).divergence)
    plain = _gradients(case, _plain(case).divergence)
    ours = _gradients(case, fused_divergence(*case.tensors, rows_at_once=32).divergence)
    for one, other, true in zip(ours, plain, wanted, strict=True):
        assert _relative_error(one, true) < 2 * _relative_error(other, true)


def test_one_loss_alone_gives_its_own_gradient() -> None:
    case = _case(20, 50)
    for name in ("divergence", "language_model"):
        ours = getattr(fused_divergence(*case.tensors, labels=case.labels, rows_at_once=8), name)
        _assert_close(_gradients(case, ours), _gradients(case, getattr(_plain(case), name)), 1e-5)


def test_the_parents_own_hidden_states_cost_nothing() -> None:
    case = _case(20, 50)
    losses = fused_divergence(*case.tensors[2:], *case.tensors[2:])
    assert losses.divergence.item() == 0


def test_only_what_wants_a_gradient_gets_one() -> None:
    for hidden_wants, weight_wants in ((True, False), (False, True)):
        case = _case(20, 50)
        case.hidden.requires_grad_(hidden_wants)
        case.weight.requires_grad_(weight_wants)
        for labels in (None, case.labels):
            losses = fused_divergence(*case.tensors, labels=labels, rows_at_once=8)
            _assert_close(_gradients(case, losses.divergence), _gradients(case, _plain(case).divergence), 1e-5)
    assert not fused_divergence(*(each.detach() for each in case.tensors)).divergence.requires_grad


def test_nothing_is_kept_for_gradients_where_none_are_recorded() -> None:
    case = _case(20, 50)
    with torch.no_grad():
        losses = fused_divergence(*case.tensors, labels=case.labels)
    wanted = _plain(case)
    assert not losses.divergence.requires_grad
    assert losses.divergence.item() == pytest.approx(wanted.divergence.item(), rel=1e-5)


def test_a_tied_weight_gets_the_gradients_of_both_its_uses() -> None:
    case, tokens = _case(20, 50), torch.arange(20)
    totals = []
    for loss in (
        lambda each: fused_divergence(*each.tensors, rows_at_once=8).divergence,
        lambda e: _plain(e).divergence,
    ):
        tied = case.fresh()
        embedded = Case(nn.functional.embedding(tokens, tied.weight) + tied.hidden, *tied.tensors[1:], tied.labels)
        loss(embedded).backward()
        totals.append(tied.weight.grad)
    assert totals[0] is not None and totals[1] is not None
    assert _relative_error(totals[0], totals[1]) < 1e-5


@pytest.mark.parametrize("with_labels", [False, True])
def test_gradients_of_micro_batches_add_up_to_those_of_the_whole(with_labels: bool) -> None:
    """Given the step's counts; the micro-batches have unequal numbers of tokens and labels."""
    case = _case(30, 50)
    labels = case.labels if with_labels else None
    labelled = int((case.labels != IGNORED).sum())

    def total(part: slice) -> Tensor:
        losses = fused_divergence(
            case.hidden[part], case.weight, case.parent_hidden[part], case.parent_weight,
            labels=None if labels is None else labels[part], tokens=30, labelled=labelled,
        )  # fmt: skip
        return losses.divergence if losses.language_model is None else losses.divergence + losses.language_model

    whole = fused_divergence(*case.tensors, labels=labels)
    wanted = whole.divergence if whole.language_model is None else whole.divergence + whole.language_model
    parts = total(slice(0, 7)) + total(slice(7, 30))
    assert parts.item() == pytest.approx(wanted.item(), rel=1e-5)
    _assert_close(_gradients(case, parts), _gradients(case, wanted), 1e-5)


def test_no_valid_label_at_all_costs_nothing() -> None:
    case = _case(20, 50)
    losses = fused_divergence(*case.tensors, labels=torch.full((20,), IGNORED))
    assert losses.language_model is not None and losses.language_model.item() == 0
    assert all(each.abs().sum() == 0 for each in _gradients(case, losses.language_model))


@pytest.mark.parametrize("with_labels", [False, True])
def test_bfloat16_is_computed_in_float32(with_labels: bool) -> None:
    case = _case(60, 1000, dtype=torch.bfloat16)
    wide = Case(*(each.detach().float() for each in case.tensors), case.labels)
    wide.hidden.requires_grad_()
    wide.weight.requires_grad_()
    labels = case.labels if with_labels else None
    losses, wanted = (fused_divergence(*each.tensors, labels=labels, rows_at_once=25) for each in (case, wide))
    assert losses.divergence.dtype == torch.float32
    assert losses.divergence.item() == wanted.divergence.item()
    ours = _gradients(case, losses.divergence)
    rounded = [each.bfloat16() for each in _gradients(wide, wanted.divergence)]
    assert all(one.equal(other) for one, other in zip(ours, rounded, strict=True))


@pytest.mark.parametrize("with_labels", [False, True])
def test_under_autocast_the_products_take_its_precision_in_both_passes(with_labels: bool) -> None:
    """Also where backward is called after autocast has ended, as it should be."""
    case = _case(60, 1000)
    narrow = Case(*(each.detach().bfloat16() for each in case.tensors), case.labels)
    narrow.hidden.requires_grad_()
    narrow.weight.requires_grad_()
    labels = case.labels if with_labels else None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = fused_divergence(*case.tensors, labels=labels, rows_at_once=25)
    wanted = fused_divergence(*narrow.tensors, labels=labels, rows_at_once=25)
    assert losses.divergence.item() == wanted.divergence.item()
    ours = _gradients(case, losses.divergence)
    assert all(each.dtype == torch.float32 for each in ours)
    rounded = [each.bfloat16() for each in ours]
    assert all(one.equal(other) for one, other in zip(rounded, _gradients(narrow, wanted.divergence), strict=True))


def test_backward_may_be_called_twice_where_the_graph_is_kept() -> None:
    case = _case(20, 50)
    loss = fused_divergence(*case.tensors).divergence
    for _ in range(2):
        loss.backward(retain_graph=True)
    assert case.weight.grad is not None
    assert torch.allclose(case.weight.grad, 2 * _gradients(case, _plain(case).divergence)[1], atol=1e-6)


def test_chunks_keep_within_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest tensor that is made in a pass, as seen by the product that fills it."""
    case, sizes = _case(100, 1000), []
    multiply = module._multiply

    def measured(left: Tensor, right: Tensor, out: Tensor) -> None:
        sizes.append(out.numel() * out.element_size())
        multiply(left, right, out)

    monkeypatch.setattr(module, "_multiply", measured)
    monkeypatch.setitem(module.CHUNK_BYTES, "cpu", 40_000)
    fused_divergence(*case.tensors).divergence.backward()
    assert max(sizes) == 40_000
