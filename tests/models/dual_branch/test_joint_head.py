"""Three logits hold one distribution over the four cells."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_expit

from pcrnet.cohort.outcome import CELLS
from pcrnet.models.dual_branch.joint_head import JointHead, joint_log_cells

_LOGITS = st.lists(st.tuples(*[st.floats(-30, 30, width=32)] * 3), min_size=1, max_size=5).map(
    np.array
)


def _cells(logits):
    return joint_log_cells(torch.tensor(logits, dtype=torch.float32)).exp().double().numpy()


@given(_LOGITS)
def test_the_cells_are_a_distribution(logits):
    np.testing.assert_allclose(_cells(logits).sum(axis=1), 1.0, atol=1e-5)


@given(_LOGITS)
def test_the_marginals_are_their_closed_forms(logits):
    cells = _cells(logits)
    breast, if_breast, if_not = expit(logits).T
    t = np.array([cell[0] for cell in CELLS])
    n = np.array([cell[1] for cell in CELLS])
    np.testing.assert_allclose(cells[:, t].sum(axis=1), breast, atol=1e-5)
    np.testing.assert_allclose(cells[:, t & n].sum(axis=1), breast * if_breast, atol=1e-5)
    nodes = breast * if_breast + (1 - breast) * if_not
    np.testing.assert_allclose(cells[:, n].sum(axis=1), nodes, atol=1e-5)


@given(_LOGITS)
def test_both_respond_at_most_as_often_as_either(logits):
    cells = _cells(logits)
    assert (cells[:, 0] <= cells[:, :2].sum(axis=1) + 1e-6).all()
    assert (cells[:, 0] <= cells[:, [0, 2]].sum(axis=1) + 1e-6).all()


def test_logarithms_of_tiny_probabilities_stay_finite_with_their_gradients():
    logits = torch.tensor([[200.0, -200.0, 200.0]], requires_grad=True)
    cells = joint_log_cells(logits)
    expected = [log_expit(200) + log_expit(-200), 0.0, -200.0, -400.0]
    np.testing.assert_allclose(cells.detach()[0], expected, atol=1e-4)
    cells.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_half_precision_logits_are_computed_in_float32():
    assert joint_log_cells(torch.zeros(1, 3, dtype=torch.bfloat16)).dtype == torch.float32


def test_a_new_head_corrects_nothing_and_yet_can_learn():
    head = JointHead(8, dropout=0.0)
    logits = head(torch.randn(2, 8))
    assert torch.equal(logits, torch.zeros(2, 3))
    logits.sum().backward()
    assert head.linear.weight.grad.any()
