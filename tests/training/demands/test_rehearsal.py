"""A rehearsal shows a network in motion, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from pcrnet.config.model import ModelConfig
from pcrnet.models.monai_rival import MonaiConfig
from pcrnet.models.rivals.clinical import ClinicalConfig
from pcrnet.training.demands.memory import estimate_memory
from pcrnet.training.demands.rehearsal import rehearse
from pcrnet.training.fit import FitJob

MakeJob = Callable[..., FitJob]


def of_kind(job: FitJob, model: ModelConfig) -> FitJob:
    return replace(job, experiment=job.experiment.model_copy(update={"model": model}))


@pytest.mark.parametrize("model", [None, MonaiConfig(backbone="resnet10", features=4)])
def test_a_gradient_reaches_the_first_layers(make_job: MakeJob, model: ModelConfig | None) -> None:
    job = make_job() if model is None else of_kind(make_job(), model)
    state = torch.random.get_rng_state()
    network, batch = rehearse(job, 3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert len(batch.allowed) == 3
    assert not batch.allowed.all(dim=1).any()  # of each something is known
    network(*batch[:5]).square().sum().backward()
    reached = [bool(p.grad.any()) for p in network.parameters() if p.grad is not None]
    assert sum(reached) > len(reached) / 2


def test_memory_of_a_network_with_batch_normalisation_is_estimated_on_one_patient(
    make_job: MakeJob,
) -> None:
    job = of_kind(make_job(), MonaiConfig(backbone="densenet121", features=4))
    assert estimate_memory(job).fit > 7 * 4 * 10_000_000


def test_a_table_has_nothing_to_rehearse(make_job: MakeJob) -> None:
    with pytest.raises(ValueError, match="trains no network"):
        rehearse(of_kind(make_job(), ClinicalConfig()), 1)
