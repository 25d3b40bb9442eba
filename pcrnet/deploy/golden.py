"""Golden cases: small digital phantoms that a bundle carries with the answers it must give.

They are made from nothing but a seed, so that no patient's image travels with a bundle. They go
the whole way from files to probabilities, and so does the check, which also looks at what the
network is shown (:mod:`pcrnet.deploy.golden_inputs`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.csv_text import csv_of_records
from pcrnet.data.clinical import Encoding, NumericEncoding
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.units import channel_unit, write_sidecar_unit
from pcrnet.imaging.volume import Volume
from pcrnet.models.contract import FittedModel
from pcrnet.storage import write_text

CASES = ("complete", "first-visit", "one-channel")
"""All scans; the first timepoint alone; a single channel, of which no covariate is known."""

_SPACING_MM = 6.0
_LEVEL: dict[ChannelKind, tuple[float, float]] = {
    "suv": (0.8, 6.0),
    "adc": (1.8, 0.9),
    "dce": (300.0, 900.0),
    "hu": (40.0, 120.0),
    "ratio": (0.8, 1.4),
    "zscore": (200.0, 700.0),
}


def write_golden_cohort(
    directory: Path, data: DataConfig, imaging: ImagingConfig, model: FittedModel
) -> Path:
    """Write the phantoms of every case and their ``cohort.csv``; return its path."""
    rows = [_write_case(directory, case, data, imaging, model) for case in CASES]
    path = directory / "cohort.csv"
    columns = list(dict.fromkeys(column for row in rows for column in row))
    write_text(path, csv_of_records(columns, rows))
    return path


def _write_case(
    directory: Path, case: str, data: DataConfig, imaging: ImagingConfig, model: FittedModel
) -> dict[str, str]:
    row = {"patient_id": f"golden-{case}"}
    timepoints = data.timepoints if case == "complete" else data.timepoints[:1]
    channels = data.channels if case != "one-channel" else data.channels[:1]
    for index, timepoint in enumerate(data.timepoints):
        row[f"{timepoint}.days"] = str(45 * index)
        for channel in data.channels:
            column = f"{timepoint}.{channel}"
            row[column] = ""
            if timepoint in timepoints and channel in channels:
                name = f"{case}_{timepoint}_{channel}.nii.gz"
                phantom = _phantom(case, index, channel, imaging)
                write_nifti(phantom, directory / name)
                write_sidecar_unit(directory / name, phantom.unit)
                row[column] = name
    return row | {item.name: _covariate(case, item) for item in model.needs().covariates}


def _covariate(case: str, covariate: Encoding) -> str:
    """Another value in each case: the cell of one covariate."""
    if case == "one-channel":
        return ""
    first = case == "complete"
    if isinstance(covariate, NumericEncoding):
        return repr(covariate.mean + (1.0 if first else -2.0) * covariate.deviation)
    if not covariate.categories:
        return ""
    return covariate.categories[0 if first else -1]


def _phantom(case: str, visit: int, channel: str, imaging: ImagingConfig) -> Volume:
    """A body with a bright or dark lesion off its centre, on an oblique grid of its own."""
    shape = tuple(
        max(8, round(n * mm / _SPACING_MM))
        for n, mm in zip(imaging.size, imaging.spacing_mm, strict=True)
    )
    generator = np.random.default_rng([CASES.index(case), visit, *channel.encode()])
    place = np.stack(
        np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in shape), indexing="ij"), axis=-1
    )
    body = np.linalg.norm(place / [0.45, 0.45, 0.6], axis=-1) < 1.0
    lesion_size = 0.16 / (1 + visit)
    lesion = np.linalg.norm(place - [0.08, 0.1, -0.05], axis=-1) < lesion_size
    tissue, focus = _LEVEL[imaging.channel_kind(channel)]
    values: NDArray[np.float64] = np.where(lesion, focus, tissue * body)
    if imaging.channel_kind(channel) == "hu":
        values = values - 1000.0 * ~(body | lesion)
    values = values * (1.0 + 0.05 * generator.uniform(-1.0, 1.0, shape))
    turn = np.deg2rad(4.0)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine[:3, :3] *= _SPACING_MM
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    kind = imaging.channel_kind(channel)
    return Volume(values.astype(np.float32), affine, channel_unit(kind, imaging.dicom))
