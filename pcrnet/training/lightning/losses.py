"""The likelihood of what pathology knows."""

from __future__ import annotations

import torch
from torch import Tensor

from pcrnet.models.dual_branch.joint_head import joint_log_cells


def joint_negative_log_likelihood(logits: Tensor, allowed: Tensor) -> Tensor:
    """Mean negative log-likelihood of the known part of each patient's outcome, in nats.

    A patient whose outcome is partly known contributes the probability of the cells that remain
    possible, −log Σ P(cell); one of whom nothing is known contributes 0.

    Args:
        logits: (B, 3) of the joint head.
        allowed: bool (B, 4), at least one True a row.
    """
    log_cells = joint_log_cells(logits)
    known = log_cells.masked_fill(~allowed, float("-inf"))
    informative = ~allowed.all(dim=1)
    # The four cells of an uninformative patient sum to 1; its term would be rounding noise.
    term = torch.where(informative, -torch.logsumexp(known, dim=1), 0.0)
    return term.sum() / informative.sum().clamp(min=1)
