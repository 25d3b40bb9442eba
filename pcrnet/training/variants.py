"""What the predictions rest on: the same fits with scans hidden, and the clinical model.

Every variant is a set of logits of the planned fits, and goes through the same nested estimation
as the network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcrnet.config.data import DataConfig
from pcrnet.models.baselines import clinical_logits
from pcrnet.models.member import Member
from pcrnet.training.devices import computing_device
from pcrnet.training.fold import FitJob, partition
from pcrnet.training.plan import FitPlan

Logits = dict[tuple[int, ...], NDArray[np.float64]]


@dataclass(frozen=True)
class Ablation:
    """Scans that are hidden from the network when it predicts: whole rows or columns of them."""

    name: str
    timepoints: frozenset[str]
    channels: frozenset[str]

    def hides(self, timepoint: str, channel: str) -> bool:
        """Whether the scan is taken away."""
        return timepoint in self.timepoints or channel in self.channels

    def left(self, scans: Sequence[str]) -> tuple[str, ...]:
        """What remains of scans written as ``timepoint.channel``."""
        return tuple(scan for scan in scans if not self.hides(*scan.split(".", 1)))

    def shown(self, data: DataConfig) -> Tensor:
        """Bool (T, C): True where scans may still be seen."""
        return torch.tensor(
            [
                [not self.hides(timepoint, channel) for channel in data.channels]
                for timepoint in data.timepoints
            ]
        )


def ablations(data: DataConfig) -> tuple[Ablation, ...]:
    """The run without each branch and without each timepoint, where something would remain."""
    nothing: frozenset[str] = frozenset()
    branches = [
        Ablation(f"without-{name}", nothing, frozenset(channels))
        for name, channels in data.branches.items()
    ]
    timepoints = [
        Ablation(f"without-{name}", frozenset([name]), nothing) for name in data.timepoints
    ]
    return tuple(
        ablation for group in (branches, timepoints) if len(group) > 1 for ablation in group
    )


def ablated_logits(
    job: FitJob,
    plans: Sequence[FitPlan],
    hidden: Sequence[Ablation],
    progress: Callable[[int, int], None],
) -> dict[str, Logits]:
    """Logits of the finished fits when scans are hidden from them, variant by variant.

    Returns:
        Variant to logits (n, 3) a fit, in the order of ``job.patients``, NaN where it has none.
    """
    experiment, cache = job.experiment, job.cache()
    device = computing_device(experiment.training, 0)
    collected: dict[str, Logits] = {ablation.name: {} for ablation in hidden}
    for index, plan in enumerate(plans):
        member = Member.read(
            job.directory / plan.name, experiment.data, experiment.imaging, experiment.model
        )
        _, left_out = partition(plan, job)
        for ablation in hidden:
            shown = ablation.shown(experiment.data)
            logits = member.logits(left_out, cache, device=device, shown=shown)
            collected[ablation.name][plan.left_out] = _in_order(job, plan, logits)
        progress(index + 1, len(plans))
    return collected


def clinical_variant(job: FitJob, plans: Sequence[FitPlan]) -> Logits:
    """Logits of the clinical model under the same plan."""
    collected: Logits = {}
    for plan in plans:
        training, left_out = partition(plan, job)
        logits = clinical_logits(training, left_out, job.covariates)
        collected[plan.left_out] = _in_order(job, plan, logits)
    return collected


def _in_order(job: FitJob, plan: FitPlan, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread logits of the patients left out over all patients of the job."""
    spread = np.full((len(job.patients), 3), np.nan)
    own = [job.splits.fold_of[patient.patient_id] in plan.left_out for patient in job.patients]
    spread[own] = logits
    return spread
