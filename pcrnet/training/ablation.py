"""What the predictions rest on: the same fits with scans hidden when they predict.

Every ablation is a set of logits of the planned fits, and goes through the same nested estimation
as the model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.data import DataConfig
from pcrnet.models.contract import Shown
from pcrnet.models.kinds import read_model
from pcrnet.training.devices import computing_device
from pcrnet.training.fit import MODEL_FOLDER, FitJob, partition
from pcrnet.training.plan import FitPlan

LogitsByFit = dict[tuple[int, ...], NDArray[np.float64]]


@dataclass(frozen=True)
class Ablation:
    """Scans that are hidden from the model when it predicts: whole rows or columns of them."""

    name: str
    timepoints: frozenset[str]
    channels: frozenset[str]

    def hides(self, timepoint: str, channel: str) -> bool:
        """Whether the scan is taken away."""
        return timepoint in self.timepoints or channel in self.channels

    def left(self, scans: Sequence[str]) -> tuple[str, ...]:
        """What remains of scans written as ``timepoint.channel``."""
        return tuple(scan for scan in scans if not self.hides(*scan.split(".", 1)))

    def shown(self, data: DataConfig) -> Shown:
        """Bool (T, C): True where scans may still be seen."""
        return np.array(
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
) -> dict[str, LogitsByFit]:
    """Logits of the finished fits when scans are hidden from them, variant by variant.

    Returns:
        Variant to logits (n, 3) a fit, in the order of ``job.patients``, NaN where it has none.
    """
    experiment, cache = job.experiment, job.cache()
    device = computing_device(experiment.training, 0)
    collected: dict[str, LogitsByFit] = {ablation.name: {} for ablation in hidden}
    for index, plan in enumerate(plans):
        folder = job.directory / plan.name / MODEL_FOLDER
        model = read_model(folder, experiment.model, experiment.data, experiment.imaging)
        _, left_out = partition(plan, job)
        for ablation in hidden:
            shown = ablation.shown(experiment.data)
            logits = model.logits(left_out, cache, device=device, shown=shown)
            collected[ablation.name][plan.left_out] = _in_order(job, plan, logits)
        progress(index + 1, len(plans))
    return collected


def _in_order(job: FitJob, plan: FitPlan, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread logits of the patients left out over all patients of the job."""
    spread = np.full((len(job.patients), 3), np.nan)
    own = [job.splits.fold_of[patient.patient_id] in plan.left_out for patient in job.patients]
    spread[own] = logits
    return spread
