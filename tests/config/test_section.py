"""A section is frozen and holds finite numbers only."""

import pytest
from pydantic import ValidationError

from pcrnet.config.experiment import Experiment


def test_an_experiment_is_frozen():
    with pytest.raises(ValidationError):
        Experiment().training.max_epochs = 3


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize("key", ["training.learning_rate", "training.weight_decay"])
def test_only_finite_numbers_are_let_in(refusal, key, value):
    assert key in refusal(f"{key}={value}")
