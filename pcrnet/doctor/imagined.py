"""A network and patients of an experiment before any image is read."""

from __future__ import annotations

import torch
from torch import nn

from pcrnet.config.experiment import Experiment
from pcrnet.data.clinical import ClinicalEncoding, NumericEncoding
from pcrnet.data.dataset import Batch
from pcrnet.models.kinds import KINDS


def imagine(experiment: Experiment, covariates: int, patients: int) -> tuple[nn.Module, Batch]:
    """An untrained network of the experiment, and patients of noise, in the shapes of the real.

    torch's global generator is left as it was.

    Args:
        experiment: The configuration.
        covariates: How many clinical covariates enter; each is taken for a number.
        patients: How many.

    Raises:
        ValueError: The kind of model trains no network.
    """
    build = KINDS[experiment.model.kind].build
    if build is None:
        raise ValueError(f"a {experiment.model.kind} model trains no network")
    data, imaging = experiment.data, experiment.imaging
    names = [f"covariate {index}" for index in range(covariates)]
    encoding = ClinicalEncoding(tuple(NumericEncoding(name, 0.0, 1.0) for name in names))
    scans = (patients, len(data.timepoints), len(data.channels))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(experiment.model, data, imaging, encoding)
        cells = torch.arange(patients) % 4
        batch = Batch(
            image=torch.rand(*scans, *imaging.size).half(),
            present=torch.ones(scans, dtype=torch.bool),
            days=torch.zeros(scans[:2]),
            covariates=torch.zeros(patients, covariates),
            covariate_present=torch.ones(patients, covariates, dtype=torch.bool),
            allowed=torch.nn.functional.one_hot(cells, 4).bool(),
            offset=torch.zeros(patients, 3),
            patient=torch.arange(patients),
        )
    return network, batch
