"""Fixtures shared by all tests."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.imaging.nifti import write_nifti
from pcrnet.imaging.volume import Volume

os.environ["WANDB_MODE"] = "offline"
os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real images and reference values; CI must have it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PCRNET_TEST_DATA", default))
    if not folder.is_dir():
        message = f"no reference data at {folder}: set PCRNET_TEST_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@dataclass(frozen=True)
class TinyTrial:
    """Twenty patients whose images, paths and notes are made up; a run takes seconds.

    Attributes:
        cohort: The table; the folder, the file names and one column hold :attr:`canary`.
        cache: Tensors that all tests share.
        canary: What must never leave this machine.
        patients: Pseudonyms of the patients that have enough scans.
        left_out: The pseudonym of the one with a single scan.
    """

    cohort: Path
    cache: Path
    canary: str
    patients: tuple[str, ...]
    left_out: str

    def settings(self, root: Path, *overrides: str) -> list[str]:
        """Arguments of ``train.py`` for a run of six small fits under ``root``."""
        return [
            f"run.root={root}",
            "run.name=tiny",
            f"data.cohort={self.cohort}",
            f"data.cache={self.cache}",
            "data.branches={pet: [pet], mri: [t2, adc]}",
            "data.covariates=[age, grade]",
            "data.minimum_scans=2",
            "imaging.size=[8, 8, 8]",
            "imaging.spacing_mm=[12, 12, 12]",
            "model.networks=1",
            "model.width=16",
            "model.encoder.stem_width=4",
            "model.encoder.widths=[8]",
            "model.encoder.blocks=[0]",
            "model.fusion.depth=1",
            "model.fusion.heads=2",
            "training.max_epochs=2",
            "training.learning_rate=0.01",
            "training.accelerator=cpu",
            "training.parallel_fits=1",
            "evaluation.folds=3",
            "evaluation.bootstrap_draws=200",
            "tracking.wandb=disabled",
            *overrides,
        ]

    def experiment(self, root: Path, *overrides: str) -> Experiment:
        """The experiment of :meth:`settings`."""
        return load_experiment(self.settings(root, *overrides))


@pytest.fixture(scope="session")
def tiny_trial(tmp_path_factory: pytest.TempPathFactory) -> TinyTrial:
    """A cohort folder with all four outcome cells, unknown outcomes and missing scans."""
    canary = "Kanarienvogel7731"
    folder = tmp_path_factory.mktemp("trial") / canary
    rows = [_tiny_patient(folder, number, canary) for number in range(20)]
    columns = list(rows[0])
    with (folder / "cohort.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    names = [row["patient_id"] for row in rows]
    return TinyTrial(
        cohort=folder / "cohort.csv",
        cache=tmp_path_factory.mktemp("tensors"),
        canary=canary,
        patients=tuple(sorted(names[:-1])),
        left_out=names[-1],
    )


@dataclass(frozen=True)
class FinishedRun:
    """What ``train.py`` left of a whole run, and what it said."""

    directory: Path
    output: str

    @property
    def bundle(self) -> Path:
        """The deployable model."""
        return self.directory / "bundle"


@pytest.fixture(scope="session")
def finished_run(tiny_trial: TinyTrial, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A whole run of ``train.py`` on the tiny trial, with wandb offline; tests only read it."""
    root = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *tiny_trial.settings(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env=ONE_THREAD | {"WANDB_MODE": "offline"},
    )
    assert done.returncode == 0, done.stderr
    return FinishedRun(root / "tiny", done.stdout + done.stderr)


@pytest.fixture(scope="session")
def one_thread() -> dict[str, str]:
    """Environment of processes that must agree with :func:`finished_run` to the last digit."""
    return ONE_THREAD | {"WANDB_MODE": "disabled"}


def _tiny_patient(folder: Path, number: int, canary: str) -> dict[str, str]:
    breast, nodes = [("0", "0"), ("1", "0"), ("0", "1mi"), ("2", "1"), ("0", "0(mol+)")][number % 5]
    unknown = {6: ("0", "X"), 12: ("3", ""), 17: ("", "")}
    stage_t, stage_n = unknown.get(number, (breast, nodes))
    row = {
        # Their order in the table is not the order of their names.
        "patient_id": f"QX{(7 * number) % 20:02d}-{number:02d}",
        "site": f"centre {number % 3}",
        "age": "" if number == 4 else str(40 + number),
        "grade": "high" if number % 2 else "low",
        f"note {canary}": f"{canary} {number}",
        "ypT": stage_t,
        "ypN": stage_n,
        "baseline.days": "-7",
        "interim.days": "" if number == 5 else "44",
    }
    for visit, timepoint in enumerate(("baseline", "interim")):
        for channel in ("pet", "t2", "adc"):
            missing = (
                (number == 19 and (timepoint, channel) != ("baseline", "pet"))
                or (number in {3, 11} and timepoint == "interim")
                or (number == 8 and channel == "pet")
                or (number == 14 and channel == "adc")
            )
            name = f"{canary}_{number}_{timepoint}_{channel}.nii.gz"
            row[f"{timepoint}.{channel}"] = "" if missing else name
            if not missing:
                residue = 1.0 if breast != "0" else 0.4
                write_nifti(_tiny_scan(number, visit, channel, residue), folder / name)
    return row


def _tiny_scan(number: int, visit: int, channel: str, residue: float) -> Volume:
    """A body with a lesion, on 10 × 9 × 8 voxels of 12 mm."""
    shape = (10, 9, 8)
    body, lesion, unit = {
        "pet": (1.0, 6.0, "SUVbw"),
        "t2": (200.0, 600.0, "arbitrary"),
        "adc": (1.8, 0.9, "1e-3 mm2/s"),
    }[channel]
    place = np.stack(np.indices(shape), axis=-1) - (np.array(shape) - 1) / 2
    inside = np.linalg.norm(place / [5.0, 4.5, 6.0], axis=-1) < 1.0
    near = np.linalg.norm(place - [1.0, 1.0, 0.0], axis=-1)
    focus = np.exp(-0.5 * (near / 1.2) ** 2) * (residue if visit else 1.0)
    generator = np.random.default_rng([number, visit, *channel.encode()])
    values = (body + (lesion - body) * focus) * generator.uniform(0.9, 1.1, shape) * inside
    affine = np.diag([12.0, 12.0, 12.0, 1.0])
    affine[:3, 3] = -12.0 * (np.array(shape) - 1) / 2
    return Volume(values.astype(np.float32), affine, unit)
