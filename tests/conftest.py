"""Fixtures shared by all tests."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.quantify.place import place_mask, voxel_centres_mm
from pcrnet.imaging.quantify.record import Quantities
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
        [
            sys.executable,
            str(ROOT / "train.py"),
            *tiny_trial.settings(root),
            "tracking.wandb=offline",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env=ONE_THREAD,
    )
    assert done.returncode == 0, done.stderr
    return FinishedRun(root / "tiny", done.stdout + done.stderr)


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one untrained network: PET and ADC, two visits, two covariates. Only read it."""
    folder = ROOT / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        from mutations_tables import write_small_bundle
    finally:
        sys.path.remove(str(folder))
    return Path(write_small_bundle(tmp_path_factory.mktemp("small") / "bundle"))


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


@pytest.fixture
def nothing_measured() -> Quantities:
    """The quantities of a patient without a lesion to measure."""
    return Quantities.nothing()


def _grid(spacing_mm=2.0, extent_mm=140.0, centre_mm=(0.0, 0.0, 0.0)):
    count = round(extent_mm / spacing_mm)
    return Grid.centred(np.array(centre_mm), (spacing_mm,) * 3, (count,) * 3)


def _distance_mm(grid, centre_mm=(0.0, 0.0, 0.0)):
    return np.linalg.norm(voxel_centres_mm(grid) - np.reshape(centre_mm, (3, 1, 1, 1)), axis=0)


def _ball_mask(radius_mm, centre_mm=(0.0, 0.0, 0.0), spacing_mm=1.0):
    grid = _grid(spacing_mm, 2 * radius_mm + 8.0, centre_mm)
    inside = _distance_mm(grid, centre_mm) <= radius_mm
    return Volume(inside.astype(np.float32), grid.affine, "label")


@pytest.fixture(scope="session")
def phantom():
    """Makers of grids, distances, ball masks and the place around one."""
    return SimpleNamespace(
        grid=_grid,
        distance_mm=_distance_mm,
        ball_mask=_ball_mask,
        place=lambda radius_mm, centre_mm=(0.0, 0.0, 0.0): place_mask(
            _ball_mask(radius_mm, centre_mm)
        ),
    )


_CHANNELS = ("pet", "dce_pre", "dce_early", "dce_late", "t2", "adc")
_SHIFT_MM = np.array([4.0, -3.0, 2.0])


def _body(points):
    """Two tissues with structure of their own, so that registration has something to hold."""
    x, y, z = points
    inside = ((x - 10) / 85) ** 2 + ((y + 10) / 75) ** 2 + ((z - 5) / 80) ** 2 < 1
    glands = np.sin(x / 9) + np.sin(y / 11 + 1) + np.sin(z / 10 + 2) + np.sin((x + y) / 17)
    return inside, inside & (glands > 0.5)


def _scan(channel, grid, lesion_mm, alive, shift_mm, node):
    """One channel of a visit: ``alive`` scales the uptake and enhancement of the lesion."""
    points = voxel_centres_mm(grid) - shift_mm.reshape(3, 1, 1, 1)
    body, glands = _body(points)
    apart = np.linalg.norm(points - lesion_mm.reshape(3, 1, 1, 1), axis=0)
    lesion = (apart <= 12.0).astype(float)
    spot = np.linalg.norm(points - np.array([45.0, -30.0, 45.0]).reshape(3, 1, 1, 1), axis=0) <= 6.0
    base, unit = {
        "pet": (0.5 * body + 0.4 * glands + 7.0 * alive * lesion + node * spot, "SUVbw"),
        "dce_pre": (400.0 * body + 200.0 * glands, "arbitrary"),
        "dce_early": (440.0 * body + 260.0 * glands + 500.0 * alive * lesion, "arbitrary"),
        "dce_late": (460.0 * body + 300.0 * glands + 400.0 * alive * lesion, "arbitrary"),
        "t2": (300.0 * body + 250.0 * glands + 100.0 * lesion, "arbitrary"),
        "adc": ((1.8 - (0.9 * alive) * lesion) * body, "1e-3 mm2/s"),
    }[channel]
    noise = np.random.default_rng(len(channel)).normal(size=base.shape)
    level = 0.01 * float(base.max())
    values = np.maximum(gaussian_filter(base, 1.0) + level * noise, 0.0)
    return Volume(values.astype(np.float32), grid.affine, unit)


def _visit(alive=1.0, shift_mm=(0.0, 0.0, 0.0), channels=_CHANNELS, node=0.0):
    grid = _grid(3.0, 210.0)
    shift = np.array(shift_mm)
    return {c: _scan(c, grid, np.array([15.0, 10.0, -5.0]), alive, shift, node) for c in channels}


@pytest.fixture(scope="session")
def make_visit():
    """Channel to volume of a synthetic visit with a ball of 12 mm radius at (15, 10, −5) mm."""
    return _visit
