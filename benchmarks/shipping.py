"""How often do the intervals cover: of the judged models, and for what ships?

python benchmarks/shipping.py [--trials N] [--patients N] [--seed S] [--prior-patients N]
    [--out FILE.json]

Each trial goes through pcrnet's own scheme with the learners of ``toy_learners.py``, a threshold by
each of four rules. The truth of what ships is what the fit on everybody does, with its calibrator
and threshold, to 4,096 others whose chances of response are known exactly; the truth of the judged
models is the mean of what each of the K does to 1,024 of them. Beside it: how often the one-sided
Clopper-Pearson limit of level 0.975 lies above these truths, which is how often a co-primary rule
succeeds by mistake where the other endpoint is sure to pass. Trials have seeds of their own: with
``--out`` a study goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from harness import commit, describe_machine
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats.qmc import Sobol
from toy_learners import COVARIATES, FOLDS, WORLDS, Trial, World, chance_of_both, run_trial

from pcrnet.cohort.outcome import Head
from pcrnet.config.evaluation import (
    ChainCalibration,
    EvaluationConfig,
    OperatingPointConfig,
    PrevalenceRule,
    SensitivityRule,
    SpecificityRule,
    YoudenRule,
)
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.decision.nested import (
    FittedDecision,
    OutOfFold,
    final_decision,
    head_labels,
    inner_logits,
    left_out_logits,
    nested_estimate,
)
from pcrnet.decision.shipped import describe_head, see_fits
from pcrnet.decision.threshold import choose_threshold
from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
)
from pcrnet.evaluation.statistics.confusion import confusion, sensitivity, specificity
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.evaluation.statistics.intervals import (
    Estimate,
    clopper_pearson_interval,
    wilson_interval,
)
from pcrnet.evaluation.statistics.precision_recall import average_precision
from pcrnet.evaluation.statistics.shipped import shipped_metrics
from pcrnet.storage import write_text

HEAD: Head = "yT0yN0"
Record = dict[str, list[float | None]]
"""Metric to what one trial found of it."""
OTHERS, FEWER_OTHERS, BOOTSTRAP_DRAWS = 4_096, 1_024, 200
RULES: dict[str, OperatingPointConfig] = {
    "prevalence": PrevalenceRule(),
    "youden": YoudenRule(),
    "sensitivity 0.90": SensitivityRule(target=0.9),
    "specificity 0.90": SpecificityRule(target=0.9),
}
SHARED = ("auc", "average_precision", "calibration_slope", "calibration_in_the_large")
"""Metrics that no threshold enters: taken from the first rule alone."""
FEWEST = 1e-9


@dataclass(frozen=True)
class Others:
    """Patients of no cohort: covariates (n, p) and exact chance of response (n,)."""

    covariates: np.ndarray
    chance: np.ndarray

    def first(self, n: int) -> Others:
        """The first n of them."""
        return Others(self.covariates[:n], self.chance[:n])


@dataclass(frozen=True)
class Found:
    """One metric of one trial: truth and interval of the judged models, and of what ships."""

    name: str
    of_judged: float | None
    judged: Estimate
    of_shipped: float | None
    shipped: Estimate
    limit: float | None


def one_trial(
    trial: Trial, others: Others, seed: int, prior_patients: float = 0.0
) -> Iterator[Found]:
    """Every metric, those that no threshold enters under the first rule alone."""
    fold, allowed = trial.fold, trial.patients.allowed
    label = head_labels(allowed, HEAD)
    calibration = ChainCalibration(prior_patients=prior_patients)
    config = EvaluationConfig(folds=FOLDS, calibration=calibration)
    of_first = nested_estimate(fold, allowed, trial.logits, config)
    final_of_first = final_decision(fold, allowed, trial.logits, config)
    fits = see_fits(fold, allowed, trial.logits, config, of_first, final_of_first)[HEAD]
    few = others.first(FEWER_OTHERS)
    of_fits = [trial.fits[(outer,)].logits(few.covariates) for outer in range(FOLDS)]
    of_all = trial.shipped.logits(others.covariates)
    for rule, point in RULES.items():
        judged, final = _by_rule(trial, point, config, of_first, final_of_first)
        prob = np.clip(judged.probabilities[HEAD], FEWEST, 1 - FEWEST)
        thresholds = [decision.thresholds[HEAD] for decision in judged.decisions]
        table = confusion(prob, label, np.array(thresholds)[fold])
        found = {"sensitivity": sensitivity(table), "specificity": specificity(table)}
        limits = {
            "sensitivity": clopper_pearson_interval(table.true_positive, table.positives)[0],
            "specificity": clopper_pearson_interval(table.true_negative, table.negatives)[0],
        }
        first = rule == next(iter(RULES))
        if first:
            found |= {
                "auc": auc(prob, label, fold),
                "average_precision": average_precision(
                    prob, label, draws=BOOTSTRAP_DRAWS, generator=np.random.default_rng(seed)
                ),
                "calibration_slope": calibration_line(prob, label)[0],
                "calibration_in_the_large": calibration_in_the_large(prob, label),
            }
        described = describe_head(fits, thresholds, final.thresholds[HEAD])
        for_shipped = shipped_metrics(found, table, described, FOLDS)
        true = truth(of_all, final, others.chance, first)
        of_judged = [
            truth(logits, decision, few.chance, first)
            for logits, decision in zip(of_fits, judged.decisions, strict=True)
        ]
        for name, estimate in found.items():
            values = [value for each in of_judged if (value := each[name]) is not None]
            yield Found(
                name if name in SHARED else f"{rule}: {name}",
                float(np.mean(values)) if len(values) == len(of_judged) else None,
                estimate,
                true[name],
                for_shipped[name],
                limits.get(name),
            )


def _by_rule(
    trial: Trial,
    rule: OperatingPointConfig,
    config: EvaluationConfig,
    judged: OutOfFold,
    final: FittedDecision,
) -> tuple[OutOfFold, FittedDecision]:
    """The same calibrators, which no rule enters, with thresholds by another rule."""
    fold, allowed = trial.fold, trial.patients.allowed

    def chosen(decision: FittedDecision, logits: np.ndarray, rows: np.ndarray) -> FittedDecision:
        prob = head_probabilities(decision.calibrator.cells(logits))[HEAD]
        threshold = choose_threshold(prob, head_labels(allowed[rows], HEAD), rule)
        return replace(decision, thresholds=decision.thresholds | {HEAD: threshold})

    decisions = tuple(
        chosen(decision, inner_logits(fold, trial.logits, outer, config), fold != outer)
        for outer, decision in enumerate(judged.decisions)
    )
    own = left_out_logits(fold, trial.logits, config)
    return replace(judged, decisions=decisions), chosen(final, own, fold >= 0)


def truth(
    logits: np.ndarray, decision: FittedDecision, chance: np.ndarray, whole: bool
) -> dict[str, float | None]:
    """What a fit with its calibrator and threshold is expected to do to many others."""
    prob = np.clip(head_probabilities(decision.calibrator.cells(logits))[HEAD], FEWEST, 1 - FEWEST)
    point = decision.thresholds[HEAD]
    found: dict[str, float | None] = {"sensitivity": None, "specificity": None}
    if point is not None:
        called = prob > point
        found["sensitivity"] = float(called @ chance / chance.sum())
        found["specificity"] = float(~called @ (1 - chance) / (1 - chance).sum())
    if not whole:
        return found
    order = np.argsort(-prob, kind="stable")
    right = np.cumsum(chance[order])
    score = logit(prob)
    return found | {
        "auc": _expected_auc(prob, chance),
        "average_precision": float(
            chance[order] @ (right / np.arange(1, len(prob) + 1)) / right[-1]
        ),
        "calibration_slope": None if np.ptp(score) < 1e-6 else _expected_slope(score, chance),
        "calibration_in_the_large": brentq(
            lambda shift: float((chance - expit(score + shift)).sum()), -20, 20
        ),
    }


def _expected_auc(prob: np.ndarray, chance: np.ndarray) -> float:
    values, place = np.unique(prob, return_inverse=True)
    positive = np.bincount(place, weights=chance, minlength=len(values))
    negative = np.bincount(place, weights=1 - chance, minlength=len(values))
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / (positive.sum() * negative.sum()))


def _expected_slope(score: np.ndarray, chance: np.ndarray) -> float:
    """Slope of a logistic regression of the exact chances on the score."""
    design = np.stack([np.ones_like(score), (score - score.mean()) / score.std()], axis=1)
    line = np.zeros(2)
    for _ in range(50):
        fitted = expit(design @ line)
        step = np.linalg.solve(
            (design * (fitted * (1 - fitted))[:, None]).T @ design, design.T @ (chance - fitted)
        )
        line += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return float(line[1] / score.std())


def draw_others(world: World, generator: np.random.Generator) -> Others:
    """Patients on whom the truth is told, from a scrambled Sobol sequence (Owen 1998).

    So many drawn at random would leave a standard deviation of 0.009 in the sensitivity that all
    trials of a scene share; these leave 0.003.
    """
    uniform = Sobol(COVARIATES, seed=generator).random(OTHERS)
    covariates = norm.ppf(uniform)
    return Others(covariates, chance_of_both(covariates, world.effect))


def study(
    n: int,
    trials: int,
    name: str,
    world: World,
    seed: int,
    kept: list[Record],
    prior_patients: float,
) -> list[Record]:
    """One record a trial, those that are kept not made again."""
    number = list(WORLDS).index(name)
    others = draw_others(world, np.random.default_rng([seed, n, number]))
    for at in range(len(kept), trials):
        generator = np.random.default_rng([seed, n, number, at])
        record: Record = {}
        for found in one_trial(run_trial(n, world, generator), others, at, prior_patients):
            judged, shipped = _told(found.judged), _told(found.shipped)
            numbers = (found.of_judged, *judged, found.of_shipped, *shipped, found.limit)
            record[found.name] = [None if x is None else round(x, 4) for x in numbers]
        kept.append(record)
    return kept


def _told(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    return estimate.value, estimate.low, estimate.high


def summary(records: list[Record]) -> dict[str, dict[str, object]]:
    """Coverage of both intervals, bias, and how far claims are from the truth."""
    found: dict[str, dict[str, object]] = {}
    for metric in records[0]:
        rows = np.array([record[metric] for record in records], dtype=float)
        found[metric] = {
            "judged": _coverage(rows[:, :4]),
            "shipped": _coverage(rows[:, 4:8]),
            "shipped_by_judged_interval": _coverage(rows[:, [4, 1, 2, 3]]),
        }
        if metric not in SHARED:
            found[metric]["limit_too_high"] = {
                "judged": round(float((rows[:, 8] > rows[:, 0]).mean()), 4),
                "shipped": round(float((rows[:, 8] > rows[:, 4]).mean()), 4),
            }
    return found


def _coverage(rows: np.ndarray) -> dict[str, object]:
    known = np.isfinite(rows).all(axis=1)
    if not known.any():
        return {"without": len(rows)}
    truth, value, low, high = rows[known].T
    covered = int(((low <= truth) & (truth <= high)).sum())
    return {
        "coverage": round(covered / len(truth), 4),
        "monte_carlo_95": [round(x, 4) for x in wilson_interval(covered, len(truth))],
        "bias": round(float((value - truth).mean()), 4),
        "sd_of_error": round(float((value - truth).std()), 4),
        "median_truth": round(float(np.median(truth)), 4),
        "median_value": round(float(np.median(value)), 4),
        "mean_width": round(float((high - low).mean()), 4),
        "without": int((~known).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--worlds", nargs="*", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument(
        "--prior-patients",
        type=float,
        default=0.0,
        help="evaluation.calibration.prior_patients: as moderated models have it, 60",
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    part = None if options.out is None else options.out.with_suffix(".trials.json")
    kept = json.loads(part.read_text()) if part is not None and part.is_file() else {}
    worth = options.prior_patients
    start = time.perf_counter()
    worlds = {}
    for name in options.worlds:
        world = WORLDS[name]
        done = kept.setdefault(name, [])
        # In slices, so that a study that is stopped loses little.
        for until in [*range(len(done) + 25, options.trials, 25), options.trials]:
            study(options.patients, until, name, world, options.seed, done, worth)
            if part is not None:
                write_text(part, json.dumps(kept))
        worlds[name] = summary(done[: options.trials])
    result = {
        "what": f"coverage of 95 % intervals of {HEAD}",
        "trials": {name: len(kept[name][: options.trials]) for name in options.worlds},
        "patients": options.patients,
        "folds": FOLDS,
        "seed": options.seed,
        "prior_patients": worth,
        "worlds": worlds,
        "seconds": round(time.perf_counter() - start, 1),
        "commit": commit(),
        "machine": describe_machine(),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
