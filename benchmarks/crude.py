"""A rival without any of pcrnet: fifteen numbers of a mask laid on unregistered scans, and a ridge.

What a radiologist's assistant could write into a table in a minute a patient: the volume of the
baseline's mask, and within it mean and 98th percentile of uptake, enhancement and washout, mean
and 10th percentile of ADC and brightness in T2, at both visits, with their changes. nibabel, SciPy
and scikit-learn do everything; nothing of the quantity engine is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pcrnet.cohort.table import Patient

FloatArray = NDArray[np.float64]

VISITS = ("baseline", "interim")
COVARIATES = ("age", "hr_status", "grade", "cT", "cN")
_A_VISIT = 7


def measure(patient: Patient) -> list[float]:
    """The 15 numbers; NaN where there is no scan or no mask."""
    path = patient.visits["baseline"].mask
    if path is None:
        return [np.nan] * (1 + 2 * _A_VISIT)
    mask = nib.load(path)
    inside = np.argwhere(np.asanyarray(mask.dataobj) > 0)
    points = apply_affine(mask.affine, inside)
    volume_ml = len(inside) * abs(np.linalg.det(mask.affine[:3, :3])) / 1000.0
    found = [float(np.log(volume_ml))]
    for visit in VISITS:
        scans = patient.visits[visit].scans

        def read(channel: str, scans: Mapping[str, Path] = scans) -> tuple[FloatArray, FloatArray]:
            if channel not in scans:
                return np.full(len(points), np.nan), np.full(1, np.nan)
            image = nib.load(scans[channel])
            array = np.asarray(image.dataobj, dtype=np.float64)
            index = apply_affine(np.linalg.inv(image.affine), points)
            return map_coordinates(array, index.T, order=1, mode="nearest"), array

        found += _of_a_visit(read)
    return found


def _of_a_visit(read: Callable[[str], tuple[FloatArray, FloatArray]]) -> list[float]:
    uptake, adc = read("pet")[0], read("adc")[0]
    before, early, late = (read(f"dce_{phase}")[0].mean() for phase in ("pre", "early", "late"))
    t2, t2_image = read("t2")
    rise, later = (early - before) / before, late - before
    return [
        float(np.log(uptake.mean() + 0.1)),
        float(np.log(np.percentile(uptake, 98) + 0.1)),
        float(np.log(max(rise, 0.0) + 0.15)) if np.isfinite(rise) else np.nan,
        float(np.clip((early - before) / max(later, 1e-3), 0.0, 3.0)),
        float(adc.mean()),
        float(np.percentile(adc, 10)),
        float(np.log(t2.mean() / t2_image[t2_image > t2_image.mean()].mean()))
        if np.isfinite(t2).all()
        else np.nan,
    ]


def crude_features(patients: Sequence[Patient], kept: Path) -> FloatArray:
    """Features (n, 27): the 15 numbers, 7 changes, 5 covariates; numbers are kept in ``kept``."""
    numbers = json.loads(kept.read_text()) if kept.is_file() else {}
    missing = [patient for patient in patients if patient.patient_id not in numbers]
    for patient in missing:
        numbers[patient.patient_id] = measure(patient)
    if missing:
        kept.write_text(json.dumps(numbers))
    table = np.array([numbers[patient.patient_id] for patient in patients], dtype=np.float64)
    change = table[:, 1 + _A_VISIT :] - table[:, 1 : 1 + _A_VISIT]
    clinical = [
        [
            np.nan if (text := patient.covariates.get(name)) is None else float(text)
            for name in COVARIATES
        ]
        for patient in patients
    ]
    return np.hstack([table, change, np.array(clinical, dtype=np.float64)])


def ridge_probability(
    features: FloatArray, label: NDArray[np.bool_], fresh: FloatArray
) -> FloatArray:
    """Probability of ``label`` for the patients of ``fresh``, by a cross-validated ridge."""
    model = make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        LogisticRegressionCV(Cs=np.geomspace(1e-4, 1, 9), scoring="neg_log_loss"),
    )
    return np.asarray(model.fit(features, label).predict_proba(fresh)[:, 1])
