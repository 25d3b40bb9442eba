from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.training.lightning.losses import joint_negative_log_likelihood

logit = st.floats(-8, 8)
known = st.sampled_from([None, False, True])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def probability(logits: tuple[float, float, float], breast: bool, nodes: bool) -> float:
    """One cell of the joint distribution, by the rule of conditional probability alone."""
    first, nodes_if_response, nodes_if_residue = map(sigmoid, logits)
    given_breast = nodes_if_response if breast else nodes_if_residue
    return (first if breast else 1 - first) * (given_breast if nodes else 1 - given_breast)


def enumerated(
    logits: list[tuple[float, float, float]], outcomes: list[tuple[bool | None, bool | None]]
) -> float:
    """Mean −log likelihood over informative patients, by summing every cell that agrees."""
    terms = []
    for row, (t, n) in zip(logits, outcomes, strict=True):
        agreeing = [cell for cell in CELLS if t in (None, cell[0]) and n in (None, cell[1])]
        if len(agreeing) < 4:
            terms.append(-math.log(sum(probability(row, *cell) for cell in agreeing)))
    return sum(terms) / max(1, len(terms))


def allowed(outcomes: list[tuple[bool | None, bool | None]]) -> torch.Tensor:
    return torch.tensor([Outcome(yT0=t, yN0=n).allowed_cells for t, n in outcomes])


@given(
    st.lists(
        st.tuples(st.tuples(logit, logit, logit), st.tuples(known, known)), min_size=1, max_size=6
    )
)
def test_the_likelihood_is_the_enumeration_of_the_cells(
    patients: list[tuple[tuple[float, float, float], tuple[bool | None, bool | None]]],
) -> None:
    logits = [row for row, _ in patients]
    outcomes = [outcome for _, outcome in patients]
    loss = joint_negative_log_likelihood(torch.tensor(logits), allowed(outcomes))
    assert loss.item() == pytest.approx(enumerated(logits, outcomes), rel=1e-4, abs=1e-5)


def test_only_yT0_known_is_the_ordinary_binary_cross_entropy() -> None:
    logits = torch.tensor([[0.7, -2.0, 1.1], [-0.4, 3.0, -1.0]])
    loss = joint_negative_log_likelihood(logits, allowed([(True, None), (False, None)]))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, 0], torch.tensor([1.0, 0.0])
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_only_yT0yN0_known_to_be_missed_is_the_complement_of_its_cell() -> None:
    logits = (0.3, 0.8, -0.5)
    cells = torch.tensor([Outcome(yT0yN0=False).allowed_cells])
    loss = joint_negative_log_likelihood(torch.tensor([logits]), cells)
    assert loss.item() == pytest.approx(-math.log(1 - probability(logits, True, True)), rel=1e-6)


def test_a_patient_of_whom_nothing_is_known_changes_neither_loss_nor_gradient() -> None:
    logits = torch.tensor([[0.3, -0.2, 0.9], [1.0, -4.0, 2.0]], requires_grad=True)
    alone = logits.detach()[:1].requires_grad_()
    with_unknown = joint_negative_log_likelihood(logits, allowed([(True, False), (None, None)]))
    without = joint_negative_log_likelihood(alone, allowed([(True, False)]))
    with_unknown.backward()
    without.backward()
    assert with_unknown.item() == without.item()
    torch.testing.assert_close(logits.grad[:1], alone.grad, rtol=0, atol=0)
    assert torch.equal(logits.grad[1], torch.zeros(3))


def test_a_batch_of_which_nothing_is_known_has_loss_and_gradient_zero() -> None:
    logits = torch.randn(3, 3, requires_grad=True)
    loss = joint_negative_log_likelihood(logits, allowed([(None, None)] * 3))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros(3, 3))


@pytest.mark.parametrize("size", [50.0, 1e4])
def test_confident_logits_give_finite_loss_and_gradient(size: float) -> None:
    logits = torch.tensor([[size, -size, size], [-size, size, -size]], requires_grad=True)
    loss = joint_negative_log_likelihood(logits, allowed([(False, True), (True, None)]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_the_gradient_is_the_finite_difference_of_the_loss() -> None:
    # torch's own check needs float64, in which the head does not compute: differences by hand.
    outcomes = allowed([(True, None), (False, True), (None, True)])
    logits = torch.tensor([[0.2, -0.7, 0.4], [1.1, 0.3, -0.9], [-0.5, 0.6, 0.1]])
    variable = logits.clone().requires_grad_()
    joint_negative_log_likelihood(variable, outcomes).backward()
    for index in range(9):
        step = torch.zeros(9)
        step[index] = 1e-2
        up, down = (
            joint_negative_log_likelihood(logits + sign * step.reshape(3, 3), outcomes)
            for sign in (1, -1)
        )
        slope = (up - down).item() / 2e-2
        assert variable.grad.flatten()[index].item() == pytest.approx(slope, abs=1e-4)
