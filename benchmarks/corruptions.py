"""What goes wrong with scans on their way to a model, done to copies of a patient's files.

Each takes a patient and a folder and gives the patient back with some files replaced, or with
other covariates. Nothing is done that a reader refuses by itself: what is left is what looks sound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.units import write_sidecar_unit
from pcrnet.imaging.volume import Volume, canonical

Corruption = Callable[[Patient, Path, np.random.Generator], Patient]
Change = Callable[[Volume, np.random.Generator], NDArray[np.float32]]


def _load(path: Path, channel: str) -> Volume:
    unit = {"pet": "SUVbw", "adc": "1e-3 mm2/s"}.get(channel, "arbitrary")
    return Volume(*read_nifti(path), unit)  # type: ignore[arg-type]


def _put(patient: Patient, place: tuple[str, str], volume: Volume, folder: Path) -> Patient:
    timepoint, channel = place
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{patient.patient_id}_{timepoint}_{channel}.nii.gz"
    write_nifti(volume, path)
    write_sidecar_unit(path, volume.unit)
    visit = patient.visits[timepoint]
    changed = replace(visit, scans={**visit.scans, channel: path})
    return replace(patient, visits={**patient.visits, timepoint: changed})


def places(patient: Patient) -> list[tuple[str, str]]:
    """Every scan that a patient has."""
    return [(t, c) for t, visit in patient.visits.items() for c in visit.scans]


def one_scan(change: Change, *channels: str) -> Corruption:
    """Do something to one scan, drawn among all or among those of some channels."""

    def corrupt(patient: Patient, folder: Path, rng: np.random.Generator) -> Patient:
        there = [place for place in places(patient) if not channels or place[1] in channels]
        place = there[int(rng.integers(len(there)))]
        volume = _load(patient.visits[place[0]].scans[place[1]], place[1])
        array = np.ascontiguousarray(change(volume, rng), dtype=np.float32)
        return _put(patient, place, Volume(array, volume.affine, volume.unit), folder)

    return corrupt


def whole_visit(change: Change) -> Corruption:
    """Do the same to every scan of one visit."""

    def corrupt(patient: Patient, folder: Path, rng: np.random.Generator) -> Patient:
        visits = [t for t, visit in patient.visits.items() if visit.scans]
        timepoint = visits[int(rng.integers(len(visits)))]
        for channel, path in patient.visits[timepoint].scans.items():
            volume = _load(path, channel)
            array = np.ascontiguousarray(change(volume, rng), dtype=np.float32)
            changed = Volume(array, volume.affine, volume.unit)
            patient = _put(patient, (timepoint, channel), changed, folder)
        return patient

    return corrupt


def _axis(volume: Volume, world: int) -> int:
    return int(np.abs(volume.affine[world, :3] / volume.spacing_mm).argmax())


def scrambled(volume: Volume, rng: np.random.Generator) -> NDArray[np.float32]:
    """Read in the wrong order: the first axis for the last."""
    return np.asarray(volume.array.ravel(order="F").reshape(volume.array.shape))


def slices_shuffled(volume: Volume, rng: np.random.Generator) -> NDArray[np.float32]:
    """Slices in the order of their file names."""
    order = sorted(range(volume.array.shape[2]), key=str)
    return np.asarray(volume.array[:, :, order])


def flipped(world: int) -> Change:
    """Turned over along an axis of the body while the header says otherwise."""
    return lambda volume, rng: np.flip(volume.array, _axis(volume, world))


def times(factor: float) -> Change:
    """In another unit."""
    return lambda volume, rng: volume.array * np.float32(factor)


def noisy(share: float) -> Change:
    """Noise of a share of the body's level on top."""

    def change(volume: Volume, rng: np.random.Generator) -> NDArray[np.float32]:
        top = float(np.percentile(volume.array, 99))
        level = float(np.median(volume.array[volume.array > 0.1 * top]))
        noise = rng.standard_normal(volume.array.shape, dtype=np.float32)
        return np.maximum(volume.array + np.float32(share * level) * noise, 0.0)

    return change


def empty_edge(share: float) -> Change:
    """The last slices along the body hold nothing."""

    def change(volume: Volume, rng: np.random.Generator) -> NDArray[np.float32]:
        axis = _axis(volume, 2)
        array = np.moveaxis(volume.array.copy(), axis, 0)
        count = max(2, round(share * len(array)))
        array[:count] = 0.0
        return np.moveaxis(array, 0, axis)

    return change


def legs(volume: Volume, rng: np.random.Generator) -> NDArray[np.float32]:
    """Two thighs with bone, in the levels and with the grain of the scan that was there."""
    upright = canonical(Volume(volume.array, volume.affine, volume.unit))
    top = float(np.percentile(volume.array, 99))
    body = volume.array[volume.array > 0.1 * top]
    low, middle = (float(value) for value in np.percentile(body, (20, 50)))
    axes = [
        (np.arange(n) - (n - 1) / 2) * mm
        for n, mm in zip(upright.array.shape, upright.spacing_mm, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    values = np.zeros(upright.array.shape)
    for side in (-1.0, 1.0):
        radius = np.hypot(x - side * 42.0, (y + 5.0) / 1.05) / (38.0 - 0.05 * z)
        values[radius < 1.0] = middle
        values[radius < 0.25] = low
    values += 0.06 * middle * rng.standard_normal(values.shape)
    array = np.maximum(values, 0.0).astype(np.float32)
    order = [int(np.abs(volume.affine[:3, a]).argmax()) for a in range(3)]
    back = array.transpose(order)
    for axis, world in enumerate(order):
        if volume.affine[world, axis] < 0:
            back = np.flip(back, axis)
    return np.asarray(back)


def swapped(one: str, other: str) -> Corruption:
    """Two channels of a visit under each other's name."""

    def corrupt(patient: Patient, folder: Path, rng: np.random.Generator) -> Patient:
        visits = [t for t, v in patient.visits.items() if {one, other} <= set(v.scans)]
        if not visits:
            return patient
        timepoint = visits[int(rng.integers(len(visits)))]
        scans = patient.visits[timepoint].scans
        volumes = {c: _load(scans[c], c) for c in (one, other)}
        for name, of in ((one, other), (other, one)):
            found = volumes[of]
            moved = Volume(found.array, found.affine, volumes[name].unit)
            patient = _put(patient, (timepoint, name), moved, folder)
        return patient

    return corrupt


def covariate(name: str, text: str) -> Corruption:
    """A value that none of the training patients had."""

    def corrupt(patient: Patient, folder: Path, rng: np.random.Generator) -> Patient:
        return replace(patient, covariates={**patient.covariates, name: text})

    return corrupt


CORRUPTIONS: dict[str, Corruption] = {
    "voxel order scrambled": one_scan(scrambled),
    "slices in the order of their names": one_scan(slices_shuffled, "dce_pre", "t2", "pet"),
    "one scan upside down": one_scan(flipped(2)),
    "one scan back to front": one_scan(flipped(1)),
    "a visit back to front": whole_visit(flipped(1)),
    "a visit upside down": whole_visit(flipped(2)),
    "PET and T2 swapped": swapped("pet", "t2"),
    "ADC and T2 swapped": swapped("adc", "t2"),
    "first and early phase swapped": swapped("dce_pre", "dce_early"),
    "PET x 3": one_scan(times(3.0), "pet"),
    "PET / 3": one_scan(times(1 / 3), "pet"),
    "ADC / 2": one_scan(times(0.5), "adc"),
    "one scan of another body part": one_scan(legs),
    "a visit of another body part": whole_visit(legs),
    "age 130": covariate("age", "130"),
    "grade 9": covariate("grade", "9"),
    "noise of half the body's level": one_scan(noisy(0.5)),
    "a fifth of the slices empty": one_scan(empty_edge(0.2)),
}
