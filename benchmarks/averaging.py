"""What calibrators gain by knowing that they are used on means of models.

python benchmarks/averaging.py [--trials N] [--seed S] [--out FILE.json]

Each trial goes through pcrnet's nested estimate twice: as it is, and without the fits that leave
out three folds, so that calibrator and threshold are fitted to single models. Logistic regressions
on random halves of the covariates and bootstrap samples stand in for networks, whose fits differ
as much. The rule is "sensitivity of at least 0.90"; no trial was looked at when the method was
chosen. Intervals are Monte-Carlo.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from harness import describe_machine, publish
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pcrnet.config.evaluation import EvaluationConfig, SensitivityRule
from pcrnet.evaluation.operating_point import confusion
from pcrnet.evaluation.reliability import calibration_line
from pcrnet.training.nested import nested_estimate
from pcrnet.training.plan import judged_fits

FOLDS, COVARIATES, CARRIERS, TARGET = 5, 40, 5, 0.90
SIZES = (120, 240, 460)
EFFECTS = {"strong": 0.8, "weak": 0.4, "none": 0.0}
CONFIG = EvaluationConfig(folds=FOLDS, operating_point=SensitivityRule(target=TARGET))

Measures = dict[str, float]


def run_trial(n: int, effect: float, generator: np.random.Generator) -> dict[str, Measures]:
    """Measures of yT0, calibrated to means of models and to single ones."""
    covariates = generator.standard_normal((n, COVARIATES))
    chance = expit(effect * covariates[:, :CARRIERS].sum(axis=1))
    breast = generator.random(n) < chance
    nodes = generator.random(n) < 0.5
    cell = np.where(breast, np.where(nodes, 0, 1), np.where(nodes, 2, 3))
    allowed = np.eye(4, dtype=bool)[cell]
    fold = generator.permutation(np.arange(n) % FOLDS)
    logits = {}
    for plan in judged_fits(FOLDS, "nested"):
        rows = np.flatnonzero(~np.isin(fold, plan.left_out))
        breast_logit = _fit(covariates, breast, rows, generator)
        logits[plan.left_out] = np.stack([breast_logit, np.zeros(n), np.zeros(n)], axis=1)
    single = {left_out: found for left_out, found in logits.items() if len(left_out) == 2}
    return {
        "means": _measure(fold, allowed, logits, breast, chance),
        "single models": _measure(fold, allowed, single, breast, chance),
    }


def _fit(
    covariates: np.ndarray, event: np.ndarray, rows: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Logits of everybody by a regression on some of the covariates and a bootstrap sample."""
    seen = generator.choice(COVARIATES, COVARIATES // 2, replace=False)
    drawn = generator.choice(rows, len(rows))
    model = LogisticRegression(C=0.3, solver="newton-cholesky")
    return model.fit(covariates[drawn][:, seen], event[drawn]).decision_function(
        covariates[:, seen]
    )


def _measure(
    fold: np.ndarray,
    allowed: np.ndarray,
    logits: dict[tuple[int, ...], np.ndarray],
    breast: np.ndarray,
    chance: np.ndarray,
) -> Measures:
    estimate = nested_estimate(fold, allowed, logits, CONFIG)
    prob, label = estimate.probabilities["yT0"], breast.astype(float)
    threshold = np.array([decision.thresholds["yT0"] for decision in estimate.decisions])[fold]
    table = confusion(prob, label, threshold)
    slope = calibration_line(prob, label)[0].value
    return {
        "sensitivity": table.true_positive / table.positives,
        "specificity": table.true_negative / table.negatives,
        "calibration_slope": np.nan if slope is None else slope,
        # Against the true chance: what is left is the fault of the prediction alone.
        "excess_log_loss": float(
            np.mean(
                chance * np.log(chance / prob) + (1 - chance) * np.log((1 - chance) / (1 - prob))
            )
        ),
    }


def study(n: int, effect: float, trials: int, seed: list[int]) -> dict[str, object]:
    """Mean of each measure with its Monte-Carlo interval; the median of the slope."""
    generator = np.random.default_rng(seed)
    results = [run_trial(n, effect, generator) for _ in range(trials)]
    found: dict[str, object] = {}
    for way in results[0]:
        values = {name: np.array([r[way][name] for r in results]) for name in results[0][way]}
        found[way] = {
            name: _median(v) if name == "calibration_slope" else _mean(v)
            for name, v in values.items()
        }
    return found


def _mean(values: np.ndarray) -> dict[str, float]:
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    mean = float(values.mean())
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def _median(values: np.ndarray) -> dict[str, float]:
    """With the order statistics between which the true median lies in 95 % of studies."""
    known = np.sort(values[np.isfinite(values)])
    half = 0.98 * np.sqrt(len(known))
    low, high = (int(np.clip(len(known) / 2 + side * half, 0, len(known) - 1)) for side in (-1, 1))
    numbers = (np.median(known), known[low], known[high])
    return dict(zip(("median", "low", "high"), (round(float(x), 3) for x in numbers), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    result = {
        "what": "calibrated to means of models against to single models, target sensitivity 0.90",
        "trials": options.trials,
        "seed": options.seed,
        "folds": FOLDS,
        "patients": {
            str(n): {
                name: study(n, effect, options.trials, [options.seed, n, number])
                for number, (name, effect) in enumerate(EFFECTS.items())
            }
            for n in SIZES
        },
        "seconds": round(time.perf_counter() - start, 1),
        "machine": describe_machine(),
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
