"""One fit of an experiment as a module and its data, for a Lightning trainer of one's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pcrnet.cohort.table import Patient
from pcrnet.config.training import EarlyStopping
from pcrnet.data.datamodule import FitDataModule
from pcrnet.data.dataset import PatientDataset
from pcrnet.data.seeds import derive_seed
from pcrnet.errors import ConfigError
from pcrnet.models.blueprint import NetworkBlueprint
from pcrnet.models.contract import FitPart, FitRequest, Logits
from pcrnet.models.kinds import KINDS
from pcrnet.training.fit import FitJob, partition
from pcrnet.training.lightning.loop import watched_patients
from pcrnet.training.lightning.module import PcrModule
from pcrnet.training.plan import FitPlan


def module_and_data(
    plan: FitPlan, job: FitJob, *, validation: float = 0.2
) -> tuple[PcrModule, FitDataModule]:
    """What one fit trains, and on whom, before anything is trained.

    The network is the first of a fit with ``model.networks=1``: it learns from every training
    patient but those it is validated on. Nothing in it has seen the patients left out.

    Args:
        plan: Which folds are left out; they are the data for testing and predicting.
        job: What all fits share.
        validation: Share of the training patients to validate on, chosen as early stopping chooses
            them; 0 leaves validation out.

    Raises:
        ConfigError: The model trains no network.
        RunError: Too few patients to validate on some of them.
    """
    experiment = job.experiment
    begin = KINDS[experiment.model.kind].begin
    if begin is None:
        raise ConfigError(
            f"a {experiment.model.kind} model trains no network",
            field="model.kind",
            remedy="choose model.kind=network or monai",
        )
    learning, left_out = partition(plan, job)
    source = job.cache()
    begun = begin(
        experiment.model,
        FitRequest(
            name=plan.name,
            patients=tuple(learning),
            source=source,
            covariates=job.covariates,
            data=experiment.data,
            imaging=experiment.imaging,
            seed=experiment.run.seed,
            optimise=_never_called,
        ),
    )
    seed = derive_seed(experiment.run.seed, plan.name, "network")
    config = job.training
    if validation > 0:
        config = config.model_copy(update={"stopping": EarlyStopping(fraction=validation)})
        watched = watched_patients(learning, config, seed)
    else:
        watched = np.zeros(len(learning), dtype=np.bool_)

    def dataset(patients: Sequence[Patient], offset: Logits) -> PatientDataset:
        return PatientDataset(patients, source, begun.encoding, offset)

    chosen = [
        dataset(
            [one for one, is_in in zip(learning, mask, strict=True) if is_in], begun.offset[mask]
        )
        for mask in (~watched, watched)
    ]
    data = FitDataModule(
        experiment,
        f"{plan.name}/network",
        chosen[0],
        chosen[1] if watched.any() else None,
        dataset(left_out, begun.start.logits(left_out, source)) if left_out else None,
    )
    blueprint = NetworkBlueprint(
        experiment.model, experiment.data, experiment.imaging, begun.encoding
    )
    return PcrModule.training_of(begun.network, blueprint, job.training, seed), data


def _never_called(part: FitPart) -> None:
    raise AssertionError("nothing is trained before its trainer is there")
