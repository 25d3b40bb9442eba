from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pcrnet.errors import NotFiniteError
from pcrnet.training.lightning.finite import first_not_finite, require_finite, require_finite_logits


def test_the_first_tensor_that_is_not_finite_is_named() -> None:
    sound = {"a": torch.ones(2), "steps": torch.tensor(3)}
    assert first_not_finite(sound) is None
    assert first_not_finite({}) is None
    broken = sound | {"b": torch.tensor([0.0, float("inf")]), "c": torch.tensor(float("nan"))}
    assert first_not_finite(broken) == "b"


def test_values_whose_sum_of_squares_overflows_are_finite() -> None:
    large = {"a": torch.full((4,), 3e38), "b": torch.full((2,), 6e4).half(), "c": torch.empty(0)}
    assert first_not_finite(large) is None
    assert first_not_finite(large | {"d": torch.tensor([0.0, float("nan")]).double()}) == "d"


def test_a_network_or_logits_that_are_not_finite_are_not_written() -> None:
    network = nn.Linear(1, 1)
    require_finite("without-0", network)
    require_finite_logits("without-0", np.zeros((2, 3)))
    with pytest.raises(NotFiniteError, match="without-0, after the last epoch: a logit"):
        require_finite_logits("without-0", np.array([[0.0, 1.0, np.nan]]))
    network.weight.data.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="the weight weight"):
        require_finite("without-0", network)
