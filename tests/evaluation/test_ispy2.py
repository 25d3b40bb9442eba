"""Real labels: the logistic reference of the shared I-SPY2 tables, judged by pcrnet.

384 women with 113 responses, 90 of them HER2-positive with 39. The reference (MANIFEST.md) is the
mean over 20 repeats of the AUC of all five folds' predictions pooled. The features that give all
ten of its numbers: at every visit log volume, sphericity, longest diameter and background
enhancement, and since baseline the percent change of volume and of diameter.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pcrnet.evaluation.statistics.discrimination import auc

REPEATS, FOLDS = 20, 5
CLINICAL = ["HR", "HER2", "Age_at_Screening"]
REFERENCE = {
    "all": (0.653, 0.692, 0.761, 0.801, 0.806),
    "HER2-positive": (0.646, 0.653, 0.743, 0.745, 0.770),
}


@pytest.fixture(scope="module")
def women(test_data) -> pd.DataFrame:
    folder = test_data / "ispy2_clinical"
    clinical = pd.read_excel(folder / "ISPY2-Imaging-Cohort-1-Clinical-Data.xlsx")
    imaging = pd.read_excel(folder / "Multi-feature-MRI-NACT-Data.xlsx")
    table = imaging.merge(clinical, left_on="CLINICAL-TRIAL-SUBJECT-ID", right_on="Patient_ID")
    for visit in range(4):
        table[f"log_volume_T{visit}"] = np.log1p(table[f"VOLUME_TUM_BLU_V{visit + 1}0"])
    return table


def feature_names(visits: int) -> list[str]:
    """Clinical features and those of the first ``visits`` MRI."""
    names = list(CLINICAL)
    for visit in range(visits):
        features = ("log_volume", "SPHERICITY", "LD", "BPE_5slice_mean")
        names += [f"{feature}_T{visit}" for feature in features]
        if visit:
            names += [f"{feature}_pch_T0_T{visit}" for feature in ("FTV", "LD")]
    return names


def out_of_fold(
    features: np.ndarray, label: np.ndarray, repeat: int
) -> tuple[np.ndarray, np.ndarray]:
    """Probability (n,) of each woman by a regression that never saw her fold, and her fold (n,)."""
    prob, fold = np.empty(len(label)), np.empty(len(label), dtype=np.int64)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=repeat)
    for k, (train, test) in enumerate(splitter.split(features, label)):
        model = make_pipeline(
            SimpleImputer(strategy="median"),
            StandardScaler(),
            LogisticRegression(C=0.1, solver="newton-cholesky"),
        )
        prob[test] = model.fit(features[train], label[train]).predict_proba(features[test])[:, 1]
        fold[test] = k
    return prob, fold


@pytest.mark.slow
@pytest.mark.parametrize("population", REFERENCE)
def test_reference_areas_of_i_spy2(women: pd.DataFrame, population: str) -> None:
    rows = women if population == "all" else women[women["HER2"] == 1]
    label = rows["pCR"].to_numpy(dtype=float)
    assert (len(label), label.sum()) == ((384, 113) if population == "all" else (90, 39))
    pooled, within = np.zeros((2, 5))
    for visits in range(5):
        features = rows[feature_names(visits)].to_numpy(dtype=float)
        repeats = [out_of_fold(features, label, repeat) for repeat in range(REPEATS)]
        # The metric is averaged over repeats, never the predictions.
        pooled[visits] = np.mean([auc(prob, label).value for prob, _ in repeats])
        within[visits] = np.mean([auc(prob, label, fold).value for prob, fold in repeats])
    np.testing.assert_allclose(pooled, REFERENCE[population], atol=0.002)
    # Pairs within folds, which is what pcrnet reports after cross-validation, are not pulled down.
    assert within.mean() > pooled.mean()
    assert within[0] - pooled[0] > 0.01
