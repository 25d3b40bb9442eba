"""Coverage of pcrnet's 95 % intervals in trials whose truth is known exactly.

python benchmarks/coverage.py [--draws N] [--seed S] [--out FILE.json]

Each draw is a new trial. The true logit is normal and the model's is a line of it, too extreme; for
the AUC within folds the models of five folds differ in their level, as after cross-validation. An
interval covers when the value of an infinite trial lies in it. Truths come from integration over
the logit, never from simulation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from harness import describe_machine, publish
from scipy.special import expit
from scipy.stats import norm

from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
)
from pcrnet.evaluation.statistics.calibration.scores import brier
from pcrnet.evaluation.statistics.comparison.score_comparison import (
    compare_brier,
    compare_brier_skill,
    compare_log_loss,
)
from pcrnet.evaluation.statistics.confusion import confusion, npv, ppv, sensitivity, specificity
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.evaluation.statistics.intervals import Estimate, wilson_interval
from pcrnet.evaluation.statistics.precision_recall import average_precision

SIZES = (60, 120, 460)
SPREAD, SLOPE, SHIFT = 1.4, 1.5, 0.2
"""Standard deviation of the true logit; the model's logit is SLOPE · true logit + SHIFT."""
RIVAL_SLOPE = 0.6
"""A second model, too timid, whose logit is RIVAL_SLOPE · true logit."""
THRESHOLD = 0.5
FOLD_LEVELS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
BOOTSTRAP_DRAWS = 500


def truths() -> dict[str, float]:
    """What every measure is in an infinite trial."""
    grid = np.linspace(-10.0, 10.0, 400_001) * SPREAD
    mass = norm.pdf(grid, scale=SPREAD)
    mass /= mass.sum()
    rate, prob = expit(grid), expit(SLOPE * grid + SHIFT)
    rival = expit(RIVAL_SLOPE * grid)
    positive, negative = mass * rate, mass * (1 - rate)
    called = prob > THRESHOLD
    below = np.cumsum(negative) - negative / 2
    area = float(positive @ below / positive.sum() / negative.sum())
    large = 0.0
    for _ in range(60):  # Newton's method for the intercept that makes the mean right
        fitted = expit(SLOPE * grid + SHIFT + large)
        large += float(mass @ (rate - fitted)) / float(mass @ (fitted * (1 - fitted)))
    # From the surest downwards; half of a cell lies above its middle.
    found = positive[::-1].cumsum() - positive[::-1] / 2
    alarms = negative[::-1].cumsum() - negative[::-1] / 2
    precision = found / (found + alarms)

    def brier_of(p: np.ndarray) -> float:
        return float(mass @ (rate * (1 - p) ** 2 + (1 - rate) * p**2))

    def log_loss_of(p: np.ndarray) -> float:
        return float(-mass @ (rate * np.log(p) + (1 - rate) * np.log1p(-p)))

    common = float(mass @ rate)
    brier_difference = brier_of(prob) - brier_of(rival)
    return {
        "auc": area,
        "auc_within_folds": area,
        "sensitivity": float(positive[called].sum() / positive.sum()),
        "specificity": float(negative[~called].sum() / negative.sum()),
        "ppv": float(positive[called].sum() / mass[called].sum()),
        "npv": float(negative[~called].sum() / mass[~called].sum()),
        "calibration_slope": 1 / SLOPE,
        "calibration_intercept": -SHIFT / SLOPE,
        "calibration_in_the_large": large,
        "brier": brier_of(prob),
        "average_precision": float(precision @ positive[::-1] / positive.sum()),
        "log_loss_difference": log_loss_of(prob) - log_loss_of(rival),
        "brier_difference": brier_difference,
        "brier_skill_difference": -brier_difference / (common * (1 - common)),
    }


def estimates(n: int, generator: np.random.Generator) -> Iterator[tuple[str, Estimate]]:
    """Every measure of one trial of ``n`` patients, with its interval."""
    logit = generator.normal(scale=SPREAD, size=n)
    label = (generator.random(n) < expit(logit)).astype(np.float64)
    prob = expit(SLOPE * logit + SHIFT)
    fold = generator.permutation(np.arange(n) % len(FOLD_LEVELS))
    table = confusion(prob, label, THRESHOLD)
    slope, intercept = calibration_line(prob, label)
    yield "auc", auc(prob, label)
    yield "auc_within_folds", auc(logit + FOLD_LEVELS[fold], label, fold)
    yield "sensitivity", sensitivity(table)
    yield "specificity", specificity(table)
    yield "ppv", ppv(table)
    yield "npv", npv(table)
    yield "calibration_slope", slope
    yield "calibration_intercept", intercept
    yield "calibration_in_the_large", calibration_in_the_large(prob, label)
    own = generator.spawn(1)[0]  # what was measured before stays as it was
    yield "brier", brier(prob, label, draws=BOOTSTRAP_DRAWS, generator=generator)
    yield "average_precision", average_precision(prob, label, draws=BOOTSTRAP_DRAWS, generator=own)
    rival = expit(RIVAL_SLOPE * logit)
    yield "log_loss_difference", compare_log_loss(prob, rival, label)
    yield "brier_difference", compare_brier(prob, rival, label)
    yield "brier_skill_difference", compare_brier_skill(prob, rival, label)


def study(n: int, draws: int, seed: int) -> dict[str, dict[str, object]]:
    """Coverage of every measure over ``draws`` trials of ``n`` patients."""
    generator = np.random.default_rng([seed, n])
    truth = truths()
    covered, above, below, without = (dict.fromkeys(truth, 0) for _ in range(4))
    for _ in range(draws):
        for name, estimate in estimates(n, generator):
            if estimate.low is None or estimate.high is None:
                without[name] += 1
            elif estimate.low > truth[name]:
                above[name] += 1
            elif estimate.high < truth[name]:
                below[name] += 1
            else:
                covered[name] += 1
    found = {}
    for name, value in truth.items():
        with_interval = draws - without[name]
        found[name] = {
            "truth": round(value, 5),
            "coverage": round(covered[name] / with_interval, 4),
            "monte_carlo_95": [round(x, 4) for x in wilson_interval(covered[name], with_interval)],
            "interval_above_truth": above[name],
            "interval_below_truth": below[name],
            "without_interval": without[name],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    result = {
        "what": "coverage of 95 % intervals",
        "draws": options.draws,
        "seed": options.seed,
        "bootstrap_draws": BOOTSTRAP_DRAWS,
        "patients": {str(n): study(n, options.draws, options.seed) for n in SIZES},
        "seconds": round(time.perf_counter() - start, 1),
        "machine": describe_machine(),
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
