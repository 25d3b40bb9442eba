"""A fit that has left the finite numbers stops, and says where."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pcrnet.errors import NotFiniteError


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name of the first tensor, of any shape, with NaN or infinity; None where all are finite."""
    floating = {name: value for name, value in tensors.items() if value.is_floating_point()}
    if not floating:
        return None
    norms = torch._foreach_norm(list(floating.values()))  # one pass over all of them
    if bool(torch.stack([norm.double() for norm in norms]).sum().isfinite()):
        return None
    # A norm can overflow where no value is infinite.
    sound = torch.stack([torch.isfinite(value).all() for value in floating.values()]).tolist()
    return next((name for name, good in zip(floating, sound, strict=True) if not good), None)


def require_finite(fit: str, network: nn.Module) -> None:
    """Refuse to keep a network whose weights are not finite.

    Raises:
        NotFiniteError: With the first tensor concerned.
    """
    name = first_not_finite(network.state_dict())
    if name is not None:
        raise not_finite(fit, f"after the last epoch: the weight {name}")


def require_finite_logits(fit: str, logits: NDArray[np.float64]) -> None:
    """Refuse to keep predictions (n, 3) that are not finite.

    Raises:
        NotFiniteError: With the name of the fit.
    """
    if not np.isfinite(logits).all():
        raise not_finite(fit, "after the last epoch: a logit of a patient who was left out")


def not_finite(fit: str, what: str) -> NotFiniteError:
    """The error that names fit, epoch and layer."""
    return NotFiniteError(
        f"fit {fit}, {what} is not finite: the fit is stopped, nothing of it is kept",
        field="training",
        remedy="set training.precision=32, lower training.learning_rate or "
        "training.gradient_clip, and check the intensities with pcrnet check --pictures",
    )
