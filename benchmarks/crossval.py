"""A whole nested cross-validation, fits side by side against one after the other.

python benchmarks/crossval.py [--quick] [--device cpu|cuda] [--fits N] [--json FILE.json]

The same simulated patients, tensors and folds; one run gives each fit all cores in turn, one lets
fits share them (`training.parallel_fits`), in turns. Told are the seconds of the fits alone and
whether both runs give the same logits. ``seconds_for_460_patients`` is what the fits of a trial of
that size would take at the measured rate; on a GPU with the settings of ``configs/trial.yaml``.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import commit, describe_torch, publish
from harness_training import ROOT

from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.machine import available_cores
from pcrnet.public import cross_validate
from pcrnet.storage import read_record
from pcrnet.training.demands.timing import THROUGHPUT_FILE
from pcrnet.training.events import FitsPlanned, RunEvent, StageStarted
from pcrnet.training.fit import LOGITS_FILE, networks_of_fit
from pcrnet.training.plan import judged_fits

_QUICK = [
    "data.simulation.patients=24",
    "data.simulation.mri_spacing_mm=6",
    "training.max_epochs=2",
    "evaluation.folds=3",
]
_WHOLE = ["data.simulation.patients=120"]
_TRIAL_PATIENTS = 460


@dataclass
class FitsClock:
    """Times the fits of a run, from their announcement to the next stage."""

    seconds: float = 0.0
    _begun: float | None = field(default=None)

    def __call__(self, event: RunEvent) -> None:
        """Hear an event of the run."""
        if isinstance(event, FitsPlanned):
            self._begun = time.perf_counter()
        elif isinstance(event, StageStarted) and self._begun is not None:
            self.seconds += time.perf_counter() - self._begun
            self._begun = None


def settings(device: str, quick: bool, root: Path) -> list[str]:
    """Arguments of ``train.py`` that all runs share."""
    chosen = _QUICK if quick else _WHOLE
    if device == "cuda":
        chosen = [str(ROOT / "configs" / "trial.yaml"), "data.cohort=null", *chosen]
        chosen += ["data.minimum_scans=1", "training.max_epochs=2", "evaluation.protocol=null"]
    return [
        *chosen,
        f"run.root={root}",
        f"data.cache={root / 'tensors'}",
        f"training.accelerator={'gpu' if device == 'cuda' else 'cpu'}",
        "tracking.wandb=disabled",
    ]


def run(shared: list[str], name: str, fits: int) -> tuple[Experiment, float]:
    """Cross-validate afresh; the seconds of the fits."""
    experiment = load_experiment([*shared, f"run.name={name}", f"training.parallel_fits={fits}"])
    clock = FitsClock()
    cross_validate(experiment, clock)
    return experiment, clock.seconds


def logits(experiment: Experiment) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of all fits, one after the other, as they stand in their files."""
    rows: list[list[float]] = []
    for path in sorted((experiment.run.directory / "folds").glob(f"*/{LOGITS_FILE}")):
        with path.open(newline="") as stream:
            rows += [[float(cell) for cell in row[1:]] for row in list(csv.reader(stream))[1:]]
    return np.array(rows)


def passes(experiment: Experiment, patients: int) -> float:
    """How often all networks of the judged fits look at a patient."""
    folds, networks = experiment.evaluation.folds, networks_of_fit(experiment)
    learning = (networks - 1) / networks if networks > 1 else 1.0
    of_fits = sum(
        patients * (folds - len(plan.left_out)) / folds
        for plan in judged_fits(folds, experiment.evaluation.mode)
    )
    return of_fits * learning * networks * experiment.training.max_epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None)
    parser.add_argument("--quick", action="store_true", help="24 patients: under three minutes")
    parser.add_argument("--fits", type=int, default=None, help="side by side (default: cores)")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    fits = options.fits or (4 if device == "cuda" else min(4, available_cores()))
    seconds: dict[str, list[float]] = {"sequential": [], "parallel": []}
    with tempfile.TemporaryDirectory() as name:
        shared = settings(device, options.quick, Path(name))
        for turn in range(options.turns):
            one, alone = run(shared, f"sequential-{turn}", 1)
            many, together = run(shared, f"parallel-{turn}", fits)
            seconds["sequential"].append(alone)
            seconds["parallel"].append(together)
        first, second = logits(one), logits(many)
        record = read_record(many.run.directory / "folds" / THROUGHPUT_FILE)
    whole = load_experiment([str(ROOT / "configs" / "trial.yaml")]) if device == "cuda" else many
    result = {
        "parallel_vs_sequential": round(
            statistics.median(
                alone / together for alone, together in zip(*seconds.values(), strict=True)
            ),
            3,
        ),
        "fits_at_a_time": fits,
        "seconds": {name: round(statistics.median(all_), 2) for name, all_ in seconds.items()},
        "largest_difference_of_logits": float(np.abs(first - second).max()),
        "samples_per_s": record["samples_per_s"],
        "data_wait_share": record["share"]["waiting"],
        "share": record["share"],
        "seconds_for_460_patients": round(
            passes(whole, _TRIAL_PATIENTS) / float(record["samples_per_s"]), 1
        ),
        "machine": describe_torch() | {"device": device},
        "commit": commit(),
    }
    publish(result, options.json)


if __name__ == "__main__":
    main()
