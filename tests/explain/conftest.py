"""A patient with a planted lesion, and models whose reasons are known."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.clinical import ClinicalEncoding, NumericEncoding
from pcrnet.decision.calibrators import ChainCalibrator
from pcrnet.explain.occlusion import BlockQuestion
from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.quantify.measure import survey_scans
from pcrnet.imaging.tensors.preprocess import on_one_grid
from pcrnet.models.rivals.chain import RidgeChain
from pcrnet.models.rivals.imputation import Imputation, Standardisation
from pcrnet.models.rivals.ridge import Ridge
from pcrnet.models.rivals.tabular import TabularModel, modelled

DATA = DataConfig(timepoints=("a", "b"), branches={"pet": ("pet",), "mri": ("t2", "adc")})
IMAGING = ImagingConfig(size=(24, 24, 24), spacing_mm=(4, 4, 4))
LESION_MM = np.array([15.0, 10.0, -5.0])
CALIBRATOR = ChainCalibrator((1.0, 0.8, 0.8), (0.1, 0.0, 0.0))


def _model(weights, covariance=None):
    """A chain with these coefficients of the breast; half of them for the nodes."""
    specs = modelled(DATA, IMAGING)
    names = [spec.name for spec in specs] + ["age"]
    p = len(names)
    breast = np.array([weights.get(name, 0.0) for name in names])
    return TabularModel(
        data=DATA,
        specs=specs,
        encoding=ClinicalEncoding((NumericEncoding("age", 50.0, 10.0),)),
        standardisation=Standardisation(np.zeros(p), np.ones(p), np.full(p, -1e6), np.full(p, 1e6)),
        imputation=Imputation(
            np.linspace(-0.2, 0.2, p), np.eye(p) if covariance is None else covariance(p)
        ),
        chain=RidgeChain(Ridge(breast, 0.3), Ridge(breast / 2, -0.4), 0.7, (1.0, 1.0)),
    )


@pytest.fixture(scope="session")
def case(make_visit):
    """Scans, tensor and survey of one patient whose T2 of the later visit is absent."""
    mask = None
    first = {c: v for c, v in make_visit().items() if c in DATA.channels}
    later = {c: v for c, v in make_visit(0.5).items() if c in ("pet", "adc")}
    scans = PatientScans({"a": first, "b": later}, {"a": mask, "b": None}, {}, LESION_MM, "lesion")
    visits = {t: Visit(t, {}, days=float(d)) for t, d in (("a", 0), ("b", 40))}
    patient = Patient("P1", 2, None, visits, Outcome(), {"age": "60"})
    tensor = on_one_grid(scans, patient, DATA, IMAGING)
    survey = survey_scans(scans, DATA, IMAGING)
    return SimpleNamespace(
        scans=scans,
        patient=patient,
        tensor=tensor,
        survey=survey,
        data=DATA,
        imaging=IMAGING,
        lesion_mm=LESION_MM,
        model=_model,
        calibrator=CALIBRATOR,
        replace=dataclasses.replace,
    )


@pytest.fixture(scope="session")
def ask(case):
    """A question about the patient for a model."""

    def question(model, head="yT0"):
        return BlockQuestion(
            model,
            CALIBRATOR,
            head,
            case.patient,
            case.tensor,
            case.scans,
            case.survey,
            DATA,
            IMAGING,
        )

    return question
