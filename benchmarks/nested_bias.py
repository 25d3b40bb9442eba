"""Is pcrnet's nested estimate honest? Bias against the truth of the model that ships.

python benchmarks/nested_bias.py [--trials N] [--patients N] [--seed S] [--out FILE.json]

Each trial goes through pcrnet's own scheme (plan_fits, nested_estimate, final_decision) with five
folds and the rule "sensitivity of at least 0.90". Logistic regressions stand in for networks: as
they are (their only noise is that of the training sample), and with weights that each fit disturbs
at random, as seeds disturb a network. The truth is what the shipped model does, with its calibrator
and its threshold, to 20,000 other patients. Bias is claim less truth, in ``nested`` mode and in
``crossfit`` beside it. The slope is that of calibration, its median beside its mean.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import describe_machine, publish
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from pcrnet.config.evaluation import EvaluationConfig, SensitivityRule
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.decision.nested import (
    FittedDecision,
    final_decision,
    head_labels,
    nested_estimate,
)
from pcrnet.evaluation.statistics.confusion import Confusion, confusion
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.training.plan import SHIPPED_FIT, plan_fits

FOLDS, COVARIATES, OTHERS = 5, 12, 20_000
HEAD = "yT0yN0"
TARGET = 0.90
MODES = {
    mode: EvaluationConfig(
        folds=FOLDS, mode=mode, operating_point=SensitivityRule(target=TARGET), bootstrap_draws=200
    )
    for mode in ("nested", "crossfit")
}
SCENARIOS = {
    "signal": (1.0, 0.0),
    "signal, noisy fits": (1.0, 0.3),
    "noise": (0.0, 0.0),
}
"""Strength of the effects, and standard deviation of what a fit adds to each weight."""


@dataclass(frozen=True)
class Patients:
    """Covariates (n, p) and the cells (n, 4) that the outcome allows."""

    covariates: np.ndarray
    allowed: np.ndarray


@dataclass(frozen=True)
class Performance:
    """Sensitivity and specificity at the locked thresholds, AUC and calibration slope."""

    sensitivity: float
    specificity: float
    auc: float
    slope: float


def draw_patients(n: int, effect: float, generator: np.random.Generator) -> Patients:
    """Patients whose chance of response depends on two sums of covariates, times ``effect``."""
    covariates = generator.normal(size=(n, COVARIATES))
    first, second = covariates[:, :3].sum(axis=1), covariates[:, 2:5].sum(axis=1)
    breast = generator.random(n) < expit(0.4 + 0.6 * effect * first)
    nodes = generator.random(n) < expit(np.where(breast, 1.0, -0.6) + 0.5 * effect * second)
    cell = np.where(breast, np.where(nodes, 0, 1), np.where(nodes, 2, 3))
    return Patients(covariates, np.eye(4, dtype=bool)[cell])


def fit_models(
    patients: Patients, rows: np.ndarray, disturbance: float, generator: np.random.Generator
) -> list[LogisticRegression]:
    """One regression for each logit of the chain: yT0, yN0 given yT0 = 1, yN0 given yT0 = 0."""
    breast = head_labels(patients.allowed, "yT0") == 1
    nodes = head_labels(patients.allowed, "yN0") == 1
    subsets = ((rows, breast), (rows & breast, nodes), (rows & ~breast, nodes))
    models = [_fit_model(patients.covariates[inside], event[inside]) for inside, event in subsets]
    for model in models:
        model.coef_ += disturbance * generator.normal(size=model.coef_.shape)
    return models


def _fit_model(covariates: np.ndarray, event: np.ndarray) -> LogisticRegression:
    # One further patient, half of each class, since a small subset may hold one class only.
    return LogisticRegression(C=1.0, solver="newton-cholesky").fit(
        np.vstack([covariates, np.zeros((2, COVARIATES))]),
        np.append(event, [True, False]),
        sample_weight=np.append(np.ones(len(event)), [0.5, 0.5]),
    )


def predict_logits(models: list[LogisticRegression], covariates: np.ndarray) -> np.ndarray:
    """Logits (n, 3) of the chain."""
    return np.stack([model.decision_function(covariates) for model in models], axis=1)


def deal_folds(allowed: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Folds (n,) that hold each outcome cell in equal parts, as pcrnet's own do."""
    order = np.lexsort((generator.random(len(allowed)), allowed.argmax(axis=1)))
    fold = np.empty(len(allowed), dtype=np.int64)
    fold[order] = np.arange(len(allowed)) % FOLDS
    return fold


def run_trial(
    n: int, effect: float, disturbance: float, others: Patients, generator: np.random.Generator
) -> dict[str, tuple[Performance, Performance]]:
    """For each mode the truth of the model that it ships, and what it claims for it."""
    patients = draw_patients(n, effect, generator)
    fold = deal_folds(patients.allowed, generator)
    plans = {mode: [plan.left_out for plan in plan_fits(FOLDS, mode)] for mode in MODES}
    models: dict[tuple[int, ...], list[LogisticRegression]] = {}
    logits: dict[tuple[int, ...], np.ndarray] = {}
    for left_out in {key: None for keys in plans.values() for key in keys}:
        unseen = np.isin(fold, left_out)
        models[left_out] = fit_models(patients, ~unseen, disturbance, generator)
        logits[left_out] = np.full((n, 3), np.nan)
        if unseen.any():
            logits[left_out][unseen] = predict_logits(models[left_out], patients.covariates[unseen])
    elsewhere = predict_logits(models[SHIPPED_FIT.left_out], others.covariates)
    found = {}
    for mode, config in MODES.items():
        own = {left_out: logits[left_out] for left_out in plans[mode]}
        shipped = final_decision(fold, patients.allowed, own, config)
        truth = _true(shipped, elsewhere, others)
        found[mode] = truth, _claimed(fold, patients, own, config)
    return found


def _true(shipped: FittedDecision, logits: np.ndarray, others: Patients) -> Performance:
    prob = head_probabilities(shipped.calibrator.cells(logits))[HEAD]
    label = head_labels(others.allowed, HEAD)
    table = confusion(prob, label, shipped.thresholds[HEAD])
    return _performance(table, auc(prob, label).value, prob, label)


def _claimed(
    fold: np.ndarray,
    patients: Patients,
    logits: Mapping[tuple[int, ...], np.ndarray],
    config: EvaluationConfig,
) -> Performance:
    estimate = nested_estimate(fold, patients.allowed, logits, config)
    prob, label = estimate.probabilities[HEAD], head_labels(patients.allowed, HEAD)
    threshold = np.array([decision.thresholds[HEAD] for decision in estimate.decisions])[fold]
    return _performance(
        confusion(prob, label, threshold), auc(prob, label, fold).value, prob, label
    )


def _performance(
    table: Confusion, area: float | None, prob: np.ndarray, label: np.ndarray
) -> Performance:
    return Performance(
        table.true_positive / table.positives,
        table.true_negative / table.negatives,
        float("nan") if area is None else area,
        _slope(prob, label),
    )


def _slope(prob: np.ndarray, label: np.ndarray) -> float:
    """Logistic regression of the outcome on the logit; NaN where all logits are one."""
    value = logit(np.clip(prob, 1e-9, 1 - 1e-9))
    if np.ptp(value) < 1e-9:
        return float("nan")
    fit = LogisticRegression(C=np.inf).fit(value[:, None], label)
    return float(fit.coef_[0, 0])


def study(
    n: int, trials: int, effect: float, disturbance: float, seed: list[int]
) -> dict[str, object]:
    """For each measure and mode the mean truth and claim, and the bias with its interval."""
    generator = np.random.default_rng(seed)
    others = draw_patients(OTHERS, effect, generator)
    results = [run_trial(n, effect, disturbance, others, generator) for _ in range(trials)]
    return {
        measure: {
            mode: _bias(
                np.array([getattr(result[mode][0], measure) for result in results]),
                np.array([getattr(result[mode][1], measure) for result in results]),
            )
            for mode in MODES
        }
        for measure in ("specificity", "sensitivity", "auc", "slope")
    }


def _bias(truth: np.ndarray, claim: np.ndarray) -> dict[str, object]:
    known = np.isfinite(truth) & np.isfinite(claim)
    truth, claim = truth[known], claim[known]
    error = claim - truth
    half = 1.96 * error.std(ddof=1) / np.sqrt(len(error))
    return {
        "truth": round(float(truth.mean()), 4),
        "claimed": round(float(claim.mean()), 4),
        "median_truth": round(float(np.median(truth)), 4),
        "median_claimed": round(float(np.median(claim)), 4),
        "bias": round(float(error.mean()), 4),
        "monte_carlo_95": [round(float(error.mean() + side * half), 4) for side in (-1, 1)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    result = {
        "what": f"bias of {HEAD} at a target sensitivity of {TARGET}",
        "trials": options.trials,
        "patients": options.patients,
        "folds": FOLDS,
        "seed": options.seed,
        "scenarios": {
            name: study(options.patients, options.trials, *strengths, [options.seed, number])
            for number, (name, strengths) in enumerate(SCENARIOS.items())
        },
        "seconds": round(time.perf_counter() - start, 1),
        "machine": describe_machine(),
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
