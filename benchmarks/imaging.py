"""What bringing a patient's scans to the network costs, against its peers in the same run.

python benchmarks/imaging.py [--repeats N] [--out FILE.json]

A scan of 256 × 256 × 80 voxels onto the crop of the default grid and onto one of 1.5 mm: pcrnet
averages over the coarser voxel, its peers interpolate (after their own smoothing where they have
any). A patient of two visits and six channels, preprocessed and then opened from the cache, against
MONAI's chain on the same files. Ratios are medians of paired repeats.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK
import torch
from harness import compare, describe_torch, publish

from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging import Volume
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.imaging.tensors.preprocess import preprocess_patient

SHAPE, SPACING_MM = (256, 256, 80), (1.0, 1.0, 2.0)
GRIDS = {"default": ((6.0, 6.0, 6.0), (24, 24, 16)), "1.5 mm": ((1.5, 1.5, 1.5), (96, 96, 64))}
DATA = DataConfig()
IMAGING = ImagingConfig()


def scan(seed: int, unit: float) -> Volume:
    """An ellipsoid with texture."""
    rng = np.random.default_rng(seed)
    x, y, z = (np.linspace(-1.1, 1.1, n) for n in SHAPE)
    inside = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2 < 1
    values = unit * np.where(inside, rng.uniform(0.7, 1.3, SHAPE), 0.01)
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = -np.multiply(SPACING_MM, np.subtract(SHAPE, 1)) / 2
    return Volume(values.astype(np.float32), affine, "arbitrary")


def resamplers(
    volume: Volume, spacing_mm: tuple[float, ...], shape: tuple[int, ...]
) -> dict[str, Callable[[], object]]:
    """Name to a call that brings the scan onto the grid around the origin."""
    import torchio
    from monai.data import MetaTensor
    from monai.transforms import SpatialResample

    x, y, z = spacing_mm
    grid = Grid.centred(np.zeros(3), (x, y, z), shape)  # type: ignore[arg-type]
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.array.T))
    image.SetSpacing(SPACING_MM)
    image.SetOrigin(volume.affine[:3, 3].tolist())
    reference = SimpleITK.Image(list(shape), SimpleITK.sitkFloat32)
    reference.SetSpacing(spacing_mm)
    reference.SetOrigin(grid.affine[:3, 3].tolist())
    tensor = MetaTensor(
        torch.from_numpy(volume.array[None]), affine=torch.from_numpy(volume.affine)
    )
    monai = SpatialResample(mode="bilinear")
    target = torchio.ScalarImage(tensor=torch.zeros(1, *shape), affine=grid.affine)
    source = torchio.ScalarImage(tensor=torch.from_numpy(volume.array[None]), affine=volume.affine)
    chain = torchio.Resample(target)
    return {
        "pcrnet": lambda: resample(volume, grid),
        "simpleitk": lambda: SimpleITK.Resample(image, reference, SimpleITK.Transform()),
        "monai": lambda: monai(tensor, dst_affine=grid.affine, spatial_size=shape),
        "torchio": lambda: chain(source),
    }


def write_patient(folder: Path) -> Patient:
    """Two visits of six channels as NIfTI files."""
    columns, cells = [], []
    for number, timepoint in enumerate(DATA.timepoints):
        for place, channel in enumerate(DATA.channels):
            unit = {"pet": 3.0, "adc": 1.5}.get(channel, 300.0)
            name = f"{timepoint}_{channel}.nii"
            write_nifti(scan(10 * number + place, unit), folder / name)
            columns.append(f"{timepoint}.{channel}")
            cells.append(name)
    table = folder / "cohort.csv"
    table.write_text(f"patient_id,{','.join(columns)}\nP-1,{','.join(cells)}\n")
    return read_cohort(table, timepoints=DATA.timepoints, channels=DATA.channels).patients[0]


def patient_calls(patient: Patient, folder: Path) -> dict[str, Callable[[], object]]:
    """Name to a call that gives the patient's tensor."""
    from monai.transforms import (
        Compose,
        EnsureChannelFirst,
        LoadImage,
        NormalizeIntensity,
        Orientation,
        ResizeWithPadOrCrop,
        Spacing,
    )

    cache = TensorCache(folder / "cache", DATA, IMAGING)
    cache.get(patient)
    chain = Compose(
        [
            LoadImage(image_only=True),
            EnsureChannelFirst(),
            Orientation("RAS"),
            Spacing(IMAGING.spacing_mm),
            NormalizeIntensity(),
            ResizeWithPadOrCrop(IMAGING.size),
        ]
    )
    paths = [path for visit in patient.visits.values() for path in visit.scans.values()]
    return {
        "pcrnet": lambda: preprocess_patient(patient, DATA, IMAGING),
        "monai": lambda: [chain(path) for path in paths],
        "pcrnet, cached": lambda: np.array(cache.get(patient).image),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    volume = scan(0, 300.0)
    result: dict[str, object] = {
        "machine": describe_torch(),
        "scan": SHAPE,
        "repeats": options.repeats,
        "resample": {
            name: compare(resamplers(volume, *grid), options.repeats)
            for name, grid in GRIDS.items()
        },
    }
    with tempfile.TemporaryDirectory() as name:
        patient = write_patient(Path(name))
        result["patient"] = compare(patient_calls(patient, Path(name)), options.repeats)
    publish(result, options.out)


if __name__ == "__main__":
    main()
