"""The model to beat: logistic regression on the clinical covariates alone.

It predicts the same three logits as the network and goes through the same nested estimation, so
that a difference between the two is one of information and not of protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.data.clinical import ClinicalEncoding

_RIDGE_C = 0.1  # inverse penalty on standardised features; the value of the published reference
_FEW = 0.5  # added to each class, so that a class that does not occur is not impossible


def clinical_logits(
    training: Sequence[Patient], patients: Sequence[Patient], covariates: Sequence[str]
) -> NDArray[np.float64]:
    """Fit on the training patients and predict others.

    Args:
        training: Patients to learn from; whose outcome is unknown contributes nothing.
        patients: n patients to predict.
        covariates: Columns to use; an unknown value is the training mean, and flagged.

    Returns:
        Logits (n, 3) of yT0, of yN0 given yT0 and of yN0 given residue.
    """
    encoding = ClinicalEncoding.fit(training, covariates)
    learn, predict = _features(training, encoding), _features(patients, encoding)
    breast = np.array([_as_float(patient.outcome.yT0) for patient in training])
    nodes = np.array([_as_float(patient.outcome.yN0) for patient in training])
    return np.stack(
        [
            _one_logit(learn, breast, predict),
            _one_logit(learn, np.where(breast == 1, nodes, np.nan), predict),
            _one_logit(learn, np.where(breast == 0, nodes, np.nan), predict),
        ],
        axis=1,
    )


def _features(patients: Sequence[Patient], encoding: ClinicalEncoding) -> NDArray[np.float64]:
    encoded = [encoding.encode(patient) for patient in patients]
    return np.array([np.concatenate([values, known]) for values, known in encoded], dtype=float)


def _as_float(value: bool | None) -> float:
    return np.nan if value is None else float(value)


def _one_logit(
    learn: NDArray[np.float64], label: NDArray[np.float64], predict: NDArray[np.float64]
) -> NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression

    known = np.isfinite(label)
    positives = float(np.nansum(label))
    if len(np.unique(label[known])) < 2:
        odds = (positives + _FEW) / (known.sum() - positives + _FEW)
        return np.full(len(predict), np.log(odds))
    model = LogisticRegression(C=_RIDGE_C).fit(learn[known], label[known])
    return np.asarray(model.decision_function(predict))
