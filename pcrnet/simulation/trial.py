"""The in-silico trial as a cohort folder: images, ``cohort.csv`` and the truth in ``oracle.csv``.

Every patient is made from the trial's seed and the patient's number alone, so the folder is the
same byte for byte however many processes made it and however often they were interrupted.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.data import SimulationConfig
from pcrnet.csv_text import csv_of_records
from pcrnet.drafts import sweep_abandoned
from pcrnet.errors import RunError
from pcrnet.processes import in_processes, worth_starting
from pcrnet.simulation.biology import SimulatedPatient
from pcrnet.simulation.enrolment import (
    CHANNELS,
    TIMEPOINTS,
    Enrolment,
    Stream,
    enrol,
    patient_rng,
)
from pcrnet.simulation.lesions import Phantom
from pcrnet.simulation.pattern.biology import PatternPatient
from pcrnet.simulation.phantom_grid import FloatMap, PhantomGrid
from pcrnet.simulation.scanner import (
    SEQUENCES,
    ScanGrid,
    patient_to_world,
    plan_grid,
)
from pcrnet.simulation.truth import true_biology
from pcrnet.simulation.worlds import WORLDS, grow_phantom, outline, scan
from pcrnet.source_code import digest_of_sources, sources_behind
from pcrnet.storage import read_record, write_bytes, write_json, write_text

COVARIATES: tuple[str, ...] = ("age", "hr_status", "grade", "cT", "cN")
"""Clinical columns of the simulated ``cohort.csv``, all numeric."""
CELL_NAMES = ("yT0_yN0", "yT0_yNpos", "yTpos_yN0", "yTpos_yNpos")
"""Suffixes of the oracle's columns, in the order of :data:`pcrnet.cohort.outcome.CELLS`."""

_MANIFEST = "simulation.json"
_UNFINISHED = "simulation.unfinished.json"
_PROCESS_BYTES = 300_000_000  # twice what was measured for a patient of the default trial
_GZIP_WBITS = 31  # the gzip container around the widest window


def simulate_trial(
    directory: Path,
    config: SimulationConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a simulated cohort folder, or continue or reuse the one that is there.

    ``oracle.csv`` holds for every patient ``<baseline|interim>_prob_<cell>``, the true probability
    of each cell of :data:`CELL_NAMES` given everything knowable by then, and the latent quantities
    behind the images. ``simulation.json`` is written last and says that the folder is complete.

    Args:
        directory: Folder of the cohort; new, empty, or begun by this function.
        config: Size, seed and conditions of the trial.
        progress: Called with patients done and patients in all.

    Returns:
        Path of ``cohort.csv``.

    Raises:
        RunError: If the folder holds another simulation or other files.
    """
    cohort = directory / "cohort.csv"
    identity = {"simulated": True, "config": config.model_dump(mode="json"), "code": code_digest()}
    if _claim(directory, identity):
        return cohort
    enrolments = [enrol(config, index) for index in range(config.patients)]
    missing = [
        enrolment.index
        for enrolment in enrolments
        if not all((directory / path).is_file() for path in enrolment.files.values())
    ]
    if progress is not None:
        progress(config.patients - len(missing), config.patients)
    # Closed at once should ``progress`` raise: its processes end with it.
    with closing(_make_patients(directory, config, missing)) as made:
        for done, _ in enumerate(made, start=1):
            if progress is not None:
                progress(config.patients - len(missing) + done, config.patients)
    sweep_abandoned(directory)  # what another run is writing here, of the same bytes, stays
    write_text(directory / "oracle.csv", _table([_oracle_row(each) for each in enrolments]))
    write_text(cohort, _table([_cohort_row(each) for each in enrolments]))
    write_json(directory / _MANIFEST, identity)
    (directory / _UNFINISHED).unlink(missing_ok=True)
    return cohort


def is_simulated(cohort: Path) -> bool:
    """Whether a cohort table lies in a folder that :func:`simulate_trial` wrote."""
    return (cohort.parent / _MANIFEST).is_file()


def code_digest() -> str:
    """SHA-256 over the source of the simulation: another digest, other images."""
    return digest_of_sources(simulation_sources())


def simulation_sources() -> set[Path]:
    """The modules that decide a simulated image, with the kinetics that they take from imaging."""
    return sources_behind("pcrnet.simulation.trial", "pcrnet.simulation", "pcrnet.imaging")


def _claim(directory: Path, identity: dict[str, object]) -> bool:
    """Whether the folder is complete already; otherwise mark it as begun."""
    for name in (_MANIFEST, _UNFINISHED):
        manifest = directory / name
        if manifest.is_file():
            if read_record(manifest) != identity:
                raise RunError(
                    "the folder holds a simulation with another configuration or another version "
                    "of the simulation's code",
                    file=manifest,
                    remedy="choose a new folder, or delete this one",
                )
            return name == _MANIFEST
    if directory.is_dir() and any(not each.name.startswith(".") for each in directory.iterdir()):
        raise RunError(
            "expected a new or empty folder for the simulation, found other files",
            file=directory,
            remedy="choose a new folder",
        )
    write_json(directory / _UNFINISHED, identity)
    return False


def _make_patients(
    directory: Path, config: SimulationConfig, indices: Sequence[int]
) -> Generator[int]:
    """Make the images of these patients on all cores; yields each one's index when it is done."""
    workers = worth_starting(len(indices), bytes_each=_PROCESS_BYTES)
    make = partial(make_patient, directory, config)
    for _, index in in_processes(make, indices, workers, doing="simulates patients"):
        yield index


def make_phantom(config: SimulationConfig, enrolment: Enrolment) -> Phantom:
    """The patient's tissue at both visits, on a grid a little finer than the MRI's."""
    grid = PhantomGrid.covering(float(np.clip(0.8 * config.mri_spacing_mm, 1.0, 2.0)))
    return grow_phantom(
        patient_rng(config, enrolment.index, Stream.ANATOMY),
        patient_rng(config, enrolment.index, Stream.LESIONS),
        grid,
        enrolment.patient,
        right=enrolment.right,
    )


def make_patient(directory: Path, config: SimulationConfig, index: int) -> int:
    """Simulate one patient, write all of the images, and give back the index."""
    enrolment = enrol(config, index)
    phantom = make_phantom(config, enrolment)
    world = WORLDS[config.world]
    scanner = world.scanners[enrolment.site_index % len(world.scanners)]
    for visit, timepoint in enumerate(TIMEPOINTS):
        maps = phantom.baseline if timepoint == "baseline" else phantom.interim
        pose_rng = patient_rng(config, index, Stream.POSE, visit)
        pose = patient_to_world(
            pose_rng,
            right=enrolment.right,
            visit_mm=world.visit_mm,
            visit_degrees=world.visit_degrees,
        )
        for number, (sequence, channels) in enumerate(SEQUENCES.items()):
            wanted = [each for each in channels if (timepoint, each) in enrolment.scans]
            if not wanted:
                continue
            rng = patient_rng(config, index, Stream.SCAN, visit, number)
            grid = plan_grid(rng, scanner, sequence, phantom.grid, pose, config.mri_spacing_mm)
            images = scan(rng, scanner, sequence, maps, phantom.grid, grid)
            for channel in wanted:
                path = directory / enrolment.files[f"{timepoint}.{channel}"]
                _write_image(path, images[channel], grid)
            outlined = timepoint == "baseline" and enrolment.outlined
            if outlined and enrolment.mask_channel in wanted:
                reader_rng = patient_rng(config, index, Stream.MASK, 1)
                mask = grid.sample(outline(reader_rng, phantom, enrolment.patient)) >= 0.5
                _write_image(directory / enrolment.files["baseline.mask"], mask, grid)
    return index


def _write_image(path: Path, array: FloatMap | NDArray[np.bool_], grid: ScanGrid) -> None:
    """Write a NIfTI file: masks as uint8, images in 12 bits with a slope, as scanners do."""
    import nibabel as nib

    if array.dtype == np.bool_:
        slope, stored = 1.0, array.astype(np.uint8)
    else:
        slope = max(float(array.max()), 1e-6) / 4095.0
        stored = np.rint(array / np.float32(slope)).astype(np.int16)
    image = nib.Nifti1Image(stored, grid.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"simulated by pcrnet"
    image.header.set_slope_inter(slope, 0.0)
    # Noise does not repeat itself: looking for runs only is twice as fast and compresses as well.
    gzip = zlib.compressobj(level=1, wbits=_GZIP_WBITS, strategy=zlib.Z_RLE)
    write_bytes(path, gzip.compress(image.to_bytes()) + gzip.flush())


def _cohort_row(enrolment: Enrolment) -> dict[str, object]:
    disease = enrolment.patient.disease
    row: dict[str, object] = {"patient_id": enrolment.patient_id, "site": enrolment.site}
    for timepoint in TIMEPOINTS:
        for channel in (*CHANNELS, "mask") if timepoint == "baseline" else CHANNELS:
            row[f"{timepoint}.{channel}"] = enrolment.files.get(f"{timepoint}.{channel}", "")
        row[f"{timepoint}.days"] = enrolment.days[timepoint]
    row |= {"ypT": enrolment.patient.ypT, "ypN": enrolment.patient.ypN}
    return row | {
        "age": disease.age,
        "hr_status": int(disease.hr_positive),
        "grade": disease.grade,
        "cT": disease.cT,
        "cN": disease.cN,
    }


def _oracle_row(enrolment: Enrolment) -> dict[str, object]:
    patient = enrolment.patient
    row: dict[str, object] = {"patient_id": enrolment.patient_id}
    for timepoint, prob in (("baseline", patient.baseline_prob), ("interim", patient.interim_prob)):
        row |= {
            f"{timepoint}_prob_{cell}": value for cell, value in zip(CELL_NAMES, prob, strict=True)
        }
    match patient:
        case SimulatedPatient():
            return row | _latent_row(patient)
        case PatternPatient():
            return row | true_biology(patient)


def _latent_row(patient: SimulatedPatient) -> dict[str, object]:
    return {
        "tumour_sensitivity": patient.tumour_sensitivity,
        "node_sensitivity": patient.node_sensitivity,
        "diameter_mm": patient.disease.diameter_mm,
        "suv": patient.disease.suv,
        "adc_1e3_mm2_s": patient.disease.adc_1e3_mm2_s,
        "ktrans_per_min": patient.disease.ktrans_per_min,
        "tumour_volume_ratio": patient.tumour_response.volume,
        "tumour_suv_ratio": patient.tumour_response.suv,
        "tumour_adc_ratio": patient.tumour_response.adc,
        "tumour_ktrans_ratio": patient.tumour_response.ktrans,
        "node_volume_ratio": patient.node_response.volume,
        "node_suv_ratio": patient.node_response.suv,
    }


def _table(rows: Sequence[dict[str, object]]) -> str:
    return csv_of_records(list(rows[0]), rows)
