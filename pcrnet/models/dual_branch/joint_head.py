"""The joint outcome: one distribution over yT0 × yN0, held by three logits.

P(yT0) = σ(ℓ₁); P(yN0 | yT0) = σ(ℓ₂); P(yN0 | not yT0) = σ(ℓ₃). Every marginal follows from the
four cells, so no two of them can contradict each other.

Shapes: B patients; three logits; four cells in the order of ``pcrnet.cohort.outcome.CELLS``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class JointHead(nn.Module):
    """From the fused vector (B, W) to the three logits (B, 3); untrained, it says 0.

    A network corrects the logits that it starts from, and begins by correcting nothing.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 3)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, fused: Tensor) -> Tensor:
        """Logits (B, 3)."""
        logits: Tensor = self.linear(self.dropout(self.norm(fused)))
        return logits


def joint_log_cells(logits: Tensor) -> Tensor:
    """Log-probabilities (B, 4) of the four cells from logits (B, 3)."""
    breast, nodes_if_breast, nodes_if_not = logits.float().unbind(dim=-1)
    yes, no = functional.logsigmoid(breast), functional.logsigmoid(-breast)
    return torch.stack(
        [
            yes + functional.logsigmoid(nodes_if_breast),
            yes + functional.logsigmoid(-nodes_if_breast),
            no + functional.logsigmoid(nodes_if_not),
            no + functional.logsigmoid(-nodes_if_not),
        ],
        dim=-1,
    )
