"""A network and a batch of a run before it begins, to ask what training will be like."""

from __future__ import annotations

import torch
from torch import nn

from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import Batch, PatientDataset
from pcrnet.data.seeds import derive_seed
from pcrnet.models.kinds import KINDS
from pcrnet.training.fit import FitJob

_STIR = 0.02


def rehearse(job: FitJob, patients: int) -> tuple[nn.Module, Batch]:
    """A network of the run as it is after a few steps, and the first patients with an outcome.

    A network begins by saying 0, which sends no gradient beyond its last layer; here that layer is
    stirred. torch's global generator is left as it was.

    Raises:
        ValueError: The run's kind of model trains no network.
    """
    experiment = job.experiment
    build = KINDS[experiment.model.kind].build
    if build is None:
        raise ValueError(f"a {experiment.model.kind} model trains no network")
    known = [patient for patient in job.patients if not all(patient.outcome.allowed_cells)]
    encoding = ClinicalEncoding.fit(job.patients, job.covariates)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(experiment.run.seed, "rehearsal"))
        network = build(experiment.model, experiment.data, experiment.imaging, encoding)
        for name, parameter in network.named_parameters():
            if name.endswith("linear.weight") and not bool(parameter.any()):
                nn.init.normal_(parameter, std=_STIR)
    chosen = known[:patients]
    dataset = PatientDataset(chosen, job.cache(), encoding)
    return network, dataset.__getitems__(range(len(chosen)))
