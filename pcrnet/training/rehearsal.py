"""A network and a batch of a run before it begins, to ask what training will be like."""

from __future__ import annotations

import torch

from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import Batch, PatientDataset
from pcrnet.data.seeds import derive_seed
from pcrnet.models.member import Member
from pcrnet.models.network import PcrNet
from pcrnet.training.fold import FitJob


def rehearse(job: FitJob, patients: int) -> tuple[PcrNet, Batch]:
    """The network as its first fit would begin, and the first patients whose outcome is known.

    torch's global generator is left as it was.
    """
    experiment = job.experiment
    known = [patient for patient in job.patients if not all(patient.outcome.allowed_cells)]
    encoding = ClinicalEncoding.fit(job.patients, job.covariates)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(experiment.run.seed, "rehearsal"))
        member = Member.build(experiment.data, experiment.imaging, experiment.model, encoding)
    chosen = known[:patients]
    dataset = PatientDataset(chosen, job.cache(), encoding)
    return member.network, dataset.__getitems__(range(len(chosen)))
