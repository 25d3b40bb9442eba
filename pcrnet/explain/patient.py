"""One patient explained: terms of the logits, maps of every scan, interval and doubts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.applicability.scrutiny import Scrutiny
from pcrnet.cohort.outcome import Head
from pcrnet.cohort.table import Patient
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.deploy.bundle import Bundle
from pcrnet.explain.contributions import Breakdown, break_down
from pcrnet.explain.gradients import flat_levels, integrated_gradients
from pcrnet.explain.native import crop_grid, near_on_crop
from pcrnet.explain.occlusion import BLOCK_MM, BlockQuestion, OcclusionMap, occlusion_maps
from pcrnet.explain.target import slopes
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.patient_scans import PatientScans, read_patient
from pcrnet.imaging.quantify.measure import Survey, survey_scans
from pcrnet.imaging.tensors.preprocess import on_one_grid
from pcrnet.models.network_model import NetworkModel


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a patient was predicted so.

    Attributes:
        patient: Who.
        prob: Head to calibrated probability.
        thresholds: Head to operating point.
        scrutiny: Intervals and doubts; None where the bundle cannot say.
        breakdown: The logits, term by term.
        head: Whose log-odds the maps are about.
        scans: As they came.
        survey: Where they are measured.
        occlusion: A map for each measured scan.
        gradients: (T, C, X, Y, Z) log-odds of each voxel of the crop through the networks; None
            where the model keeps none.
        crop: The grid of ``gradients``.
    """

    patient: Patient
    prob: Mapping[Head, float]
    thresholds: Mapping[Head, float | None]
    scrutiny: Scrutiny | None
    breakdown: Breakdown
    head: Head
    scans: PatientScans
    survey: Survey
    occlusion: tuple[OcclusionMap, ...]
    gradients: NDArray[np.float64] | None
    crop: Grid


def explain_patient(
    bundle: Bundle,
    patient: Patient,
    *,
    head: Head = "yT0yN0",
    block_mm: float = BLOCK_MM,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Explanation:
    """Read, predict and explain one patient.

    Args:
        bundle: Model, calibrator, preprocessing.
        patient: Who.
        head: Whose log-odds the maps are about.
        block_mm: Edge of the first blocks that are hidden.
        progress: Told after each scan.

    Raises:
        PcrnetError: The patient cannot be predicted.
    """
    manifest = bundle.manifest
    data, imaging = manifest.data, manifest.imaging
    scans = read_patient(patient, data, imaging)
    tensor = on_one_grid(scans, patient, data, imaging)
    survey = survey_scans(scans, data, imaging)
    breakdown = break_down(bundle.model, patient, tensor, data, imaging)
    question = BlockQuestion(
        bundle.model, bundle.calibrator, head, patient, tensor, scans, survey, data, imaging
    )
    needs = bundle.model.needs()
    occlusion: list[OcclusionMap] = []
    if needs.looks_at_scans:
        occlusion = occlusion_maps(question, block_mm=block_mm, progress=progress)
    crop = crop_grid(tensor.centre_mm, imaging.spacing_mm, imaging.size)
    prob = head_probabilities(bundle.calibrator.cells(breakdown.logits[None]))
    return Explanation(
        patient=patient,
        prob={name: float(values[0]) for name, values in prob.items()},
        thresholds=manifest.operating_points,
        scrutiny=bundle.scrutinise(patient, tensor, breakdown.logits),
        breakdown=breakdown,
        head=head,
        scans=scans,
        survey=survey,
        occlusion=tuple(occlusion),
        gradients=_gradients(question, breakdown, crop),
        crop=crop,
    )


def _gradients(
    question: BlockQuestion, breakdown: Breakdown, crop: Grid
) -> NDArray[np.float64] | None:
    model = question.model
    if not isinstance(model, NetworkModel) or not model.networks:
        return None
    place = question.survey.place
    centre = question.tensor.centre_mm if place is None else place.centre_mm
    near = near_on_crop(crop, centre, 15.0 if place is None else place.bed_radius_mm)
    weights = slopes(question.calibrator, breakdown.logits, question.head)
    flat = flat_levels(question.tensor, near)
    return integrated_gradients(model, question.patient, question.tensor, flat, weights)
