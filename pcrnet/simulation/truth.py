"""The truth behind a simulated trial, made again from its configuration without any image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import CELLS
from pcrnet.config.data import SimulationConfig
from pcrnet.simulation.biology import Response, SimulatedPatient
from pcrnet.simulation.enrolment import enrol
from pcrnet.simulation.pattern.biology import NodeRegression, PatternPatient, Regression
from pcrnet.simulation.worlds import AnyPatient

Head = Literal["yT0", "yN0", "yT0yN0"]
VisitName = Literal["baseline", "interim"]


@dataclass(frozen=True, eq=False)
class Truth:
    """What nobody knows about real patients, for every patient of a simulated trial.

    Attributes:
        patient_ids: In the order of ``cohort.csv``; the first axis of all arrays below.
        outcome: Head to complete response, bool (patients,).
        baseline: Names of what is true at baseline, the first columns of ``biology``.
        interim: Names of what therapy has done by the interim visit, the other columns.
        biology: Shape (patients, columns): true biology, free of noise, sampling and readers.
        cells: Visit to the probability of each of :data:`pcrnet.cohort.outcome.CELLS` given
            everything knowable by then, shape (patients, 4).
    """

    patient_ids: tuple[str, ...]
    outcome: dict[Head, NDArray[np.bool_]]
    baseline: tuple[str, ...]
    interim: tuple[str, ...]
    biology: NDArray[np.float64]
    cells: dict[VisitName, NDArray[np.float64]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of ``biology``."""
        return self.baseline + self.interim

    def prob(self, head: Head, visit: VisitName = "interim") -> NDArray[np.float64]:
        """The oracle's probability of complete response, shape (patients,)."""
        wanted = [_responds(cell, head) for cell in CELLS]
        return np.asarray(self.cells[visit][:, wanted].sum(axis=1))


def truth_of(config: SimulationConfig) -> Truth:
    """The truth about the patients of a simulated trial, in either world.

    It is drawn from the same random numbers as the images, so it is that of the folder which
    :func:`pcrnet.simulation.trial.simulate_trial` writes for the same configuration.
    """
    enrolments = [enrol(config, index) for index in range(config.patients)]
    patients = [each.patient for each in enrolments]
    known = [_baseline_biology(each) for each in patients]
    shown = [_interim_biology(each) for each in patients]
    recorded = [(each.ypT == "0", each.ypN == "0") for each in patients]
    heads: tuple[Head, ...] = ("yT0", "yN0", "yT0yN0")
    return Truth(
        patient_ids=tuple(each.patient_id for each in enrolments),
        outcome={head: np.array([_responds(cell, head) for cell in recorded]) for head in heads},
        baseline=tuple(known[0]),
        interim=tuple(shown[0]),
        biology=np.array(
            [[*a.values(), *b.values()] for a, b in zip(known, shown, strict=True)], dtype=float
        ),
        cells={
            "baseline": np.array([each.baseline_prob for each in patients]),
            "interim": np.array([each.interim_prob for each in patients]),
        },
    )


def true_biology(patient: AnyPatient) -> dict[str, float]:
    """One patient's true biology at both visits, by name with its unit; ratios without unit."""
    return _baseline_biology(patient) | _interim_biology(patient)


def _responds(cell: tuple[bool, bool], head: Head) -> bool:
    tumour, node = cell
    return {"yT0": tumour, "yN0": node, "yT0yN0": tumour and node}[head]


def _baseline_biology(patient: AnyPatient) -> dict[str, float]:
    disease = patient.disease
    common = {
        "age": float(disease.age),
        "hr_status": float(disease.hr_positive),
        "grade": float(disease.grade),
        "cT": float(disease.cT),
        "cN": float(disease.cN),
        "diameter_mm": disease.diameter_mm,
        "suv": disease.suv,
        "adc_1e3_mm2_s": disease.adc_1e3_mm2_s,
        "ktrans_per_min": disease.ktrans_per_min,
    }
    match patient:
        case SimulatedPatient():
            return common
        case PatternPatient():
            return common | {"hollowness": patient.hollowness}


def _interim_biology(patient: AnyPatient) -> dict[str, float]:
    match patient:
        case SimulatedPatient():
            tumour = patient.tumour_response
            pattern = {"fragmentation": tumour.fragmentation}
            return _changes(patient, tumour, pattern, patient.node_response)
        case PatternPatient():
            regression = patient.regression
            pattern = {
                "scatter": regression.scatter,
                "shallowness": regression.shallowness,
                "inflammation_suv": regression.inflammation,
            }
            return _changes(patient, regression, pattern, patient.node_regression)


def _changes(
    patient: AnyPatient,
    tumour: Response | Regression,
    pattern: dict[str, float],
    node: Response | NodeRegression,
) -> dict[str, float]:
    """A node's residue is 0 where there was no metastatic node."""
    has_nodes = float(patient.disease.cN > 0)
    return {
        "tumour_volume_ratio": tumour.volume,
        "tumour_suv_ratio": tumour.suv,
        "tumour_adc_ratio": tumour.adc,
        "tumour_ktrans_ratio": tumour.ktrans,
        **pattern,
        "node_volume_ratio": has_nodes * node.volume,
        "node_suv_ratio": has_nodes * node.suv,
    }
