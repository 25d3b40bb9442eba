"""A whole nested cross-validation, fits side by side against one after the other.

python benchmarks/crossval.py [--quick | --brief] [--one-thread] [--device cpu|cuda] [--fits N]
    [--json FILE.json]

The same simulated patients, tensors and folds; one run gives each fit all cores in turn, one lets
fits share them (`training.parallel_fits`), in turns. Told are the seconds of the fits alone, of
these the seconds until the first of them began to train (``start``: workers), and whether both runs
give the same logits. ``parallel_vs_sequential`` counts the start, ``training_vs_sequential`` does
not. ``--one-thread`` lets fits take a third turn, one after the other on one thread:
``parallel_vs_one_thread`` is what all cores together gain over one of them, which the memory that
they share and the start of workers keep below their number; ``sequential_vs_one_thread`` is what
more threads gain a fit that is alone. ``--quick`` shows that all of it works, in fits of seconds;
``--brief`` has six fits of some 20 seconds, all but equal in length, so that neither starts nor a
last fit that runs alone decide. ``seconds_for_460_patients`` is what the fits of a trial of that
size would take at the measured rate; on a GPU with the settings of ``configs/trial.yaml``.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from pcrnet.training.events import FitsPlanned, FitTimed, RunEvent, StageStarted
from pcrnet.training.fit import LOGITS_FILE, networks_of_fit
from pcrnet.training.plan import judged_fits

_QUICK = [
    "data.simulation.patients=24",
    "data.simulation.mri_spacing_mm=6",
    "training.max_epochs=2",
    "evaluation.folds=3",
]
_BRIEF = [
    "data.simulation.patients=48",
    "data.simulation.mri_spacing_mm=6",
    "evaluation.folds=5",
    "evaluation.mode=crossfit",
    "model.networks=1",
    "training.max_epochs=130",
]
_WHOLE = ["data.simulation.patients=120"]
_TRIAL_PATIENTS = 460


@dataclass
class FitsClock:
    """Times the fits of a run, from their announcement to the next stage.

    Attributes:
        seconds: Of all fits.
        start: Of these, until the first network began to train.
    """

    seconds: float = 0.0
    start: float = float("inf")
    _begun: float | None = field(default=None)

    def __call__(self, event: RunEvent) -> None:
        """Hear an event of the run."""
        if isinstance(event, FitsPlanned):
            self._begun = time.perf_counter()
        elif isinstance(event, FitTimed) and self._begun is not None:
            began = time.perf_counter() - event.seconds
            self.start = min(self.start, began - self._begun)
        elif isinstance(event, StageStarted) and self._begun is not None:
            self.seconds += time.perf_counter() - self._begun
            self._begun = None


def settings(device: str, chosen: list[str], root: Path) -> list[str]:
    """Arguments of ``train.py`` that all runs share."""
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


def run(shared: list[str], name: str, fits: int) -> tuple[Experiment, FitsClock]:
    """Cross-validate afresh, by the clock."""
    experiment = load_experiment([*shared, f"run.name={name}", f"training.parallel_fits={fits}"])
    clock = FitsClock()
    cross_validate(experiment, clock)
    return experiment, clock


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


def middle(clocks: list[FitsClock], of: Callable[[FitsClock], float]) -> float:
    """Median over turns, in seconds."""
    return round(statistics.median(map(of, clocks)), 2)


def ratio(
    clocks: dict[str, list[FitsClock]],
    of: Callable[[FitsClock], float],
    over: str = "sequential",
    under: str = "parallel",
) -> float:
    """Median over turns: how many times as long fits take in one form as in another."""
    pairs = zip(clocks[over], clocks[under], strict=True)
    return round(statistics.median(of(alone) / of(together) for alone, together in pairs), 3)


@contextmanager
def one_thread() -> Iterator[None]:
    """One of torch's threads for fits of this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="24 patients: under three minutes")
    size.add_argument("--brief", action="store_true", help="six longer fits: under five minutes")
    parser.add_argument("--fits", type=int, default=None, help="side by side (default: cores)")
    parser.add_argument(
        "--one-thread", action="store_true", help="also one after the other on one thread (CPU)"
    )
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    fits = options.fits or (4 if device == "cuda" else min(4, available_cores()))
    clocks: dict[str, list[FitsClock]] = {"sequential": [], "parallel": []}
    chosen = _QUICK if options.quick else _BRIEF if options.brief else _WHOLE
    with tempfile.TemporaryDirectory() as name:
        shared = settings(device, chosen, Path(name))
        for turn in range(options.turns):
            one, alone = run(shared, f"sequential-{turn}", 1)
            many, together = run(shared, f"parallel-{turn}", fits)
            clocks["sequential"].append(alone)
            clocks["parallel"].append(together)
            if options.one_thread:
                with one_thread():
                    clocks.setdefault("one_thread", []).append(
                        run(shared, f"one-thread-{turn}", 1)[1]
                    )
        first, second = logits(one), logits(many)
        record = read_record(many.run.directory / "folds" / THROUGHPUT_FILE)
    whole = load_experiment([str(ROOT / "configs" / "trial.yaml")]) if device == "cuda" else many
    result = {
        "parallel_vs_sequential": ratio(clocks, lambda clock: clock.seconds),
        "training_vs_sequential": ratio(clocks, lambda clock: clock.seconds - clock.start),
        **{
            f"{name}_vs_one_thread": ratio(clocks, lambda clock: clock.seconds, "one_thread", name)
            for name in ("parallel", "sequential")
            if options.one_thread
        },
        "fits_at_a_time": fits,
        "seconds": {
            name: middle(all_, lambda clock: clock.seconds) for name, all_ in clocks.items()
        },
        "start": {name: middle(all_, lambda clock: clock.start) for name, all_ in clocks.items()},
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
