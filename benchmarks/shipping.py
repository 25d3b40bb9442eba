"""How often do the intervals cover: of the judged models, and for what ships?

python benchmarks/shipping.py [--trials N] [--patients N] [--seed S] [--out FILE.json]

Each trial goes through pcrnet's own scheme with the learners of ``toy_learners.py``, a threshold by
each of four rules. The truth of what ships is what the fit on everybody does, with its calibrator
and threshold, to 20,000 others; the truth of the judged models is the mean of what each of the K
does to 5,000 of them. Trials have seeds of their own: with ``--out`` a study goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from harness import describe_machine
from scipy.special import logit
from scipy.stats import rankdata
from toy_learners import FOLDS, WORLDS, Patients, Trial, World, draw_patients, run_trial

from pcrnet.config.evaluation import (
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
from pcrnet.decision.shipped import describe_shipped
from pcrnet.decision.threshold import choose_threshold
from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
)
from pcrnet.evaluation.statistics.confusion import confusion, sensitivity, specificity
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.evaluation.statistics.intervals import Estimate, wilson_interval
from pcrnet.evaluation.statistics.precision_recall import average_precision
from pcrnet.evaluation.statistics.shipped import shipped_metrics
from pcrnet.storage import write_text

HEAD = "yT0yN0"
OTHERS, FEWER_OTHERS, BOOTSTRAP_DRAWS = 20_000, 5_000, 300
RULES: dict[str, OperatingPointConfig] = {
    "prevalence": PrevalenceRule(),
    "youden": YoudenRule(),
    "sensitivity 0.90": SensitivityRule(target=0.9),
    "specificity 0.90": SpecificityRule(target=0.9),
}
SHARED = ("auc", "average_precision", "calibration_slope", "calibration_in_the_large")
"""Metrics that no threshold enters: taken from the first rule alone."""
FEWEST = 1e-9


def one_trial(
    trial: Trial, others: Patients, seed: int
) -> Iterator[tuple[str, float | None, Estimate, float | None, Estimate]]:
    """Name, the judged models' truth and interval, and the truth and interval of what ships."""
    fold, allowed = trial.fold, trial.patients.allowed
    label, elsewhere = (head_labels(people.allowed, HEAD) for people in (trial.patients, others))
    config = EvaluationConfig(folds=FOLDS)
    of_first = nested_estimate(fold, allowed, trial.logits, config)
    final_of_first = final_decision(fold, allowed, trial.logits, config)
    for rule, point in RULES.items():
        judged, final = _by_rule(trial, point, config, of_first, final_of_first)
        prob = np.clip(judged.probabilities[HEAD], FEWEST, 1 - FEWEST)
        threshold = np.array([decision.thresholds[HEAD] for decision in judged.decisions])[fold]
        table = confusion(prob, label, threshold)
        found = {"sensitivity": sensitivity(table), "specificity": specificity(table)}
        first = rule == next(iter(RULES))
        if first:
            slope, _ = calibration_line(prob, label)
            found |= {
                "auc": auc(prob, label, fold),
                "average_precision": average_precision(
                    prob, label, draws=BOOTSTRAP_DRAWS, generator=np.random.default_rng(seed)
                ),
                "calibration_slope": slope,
                "calibration_in_the_large": calibration_in_the_large(prob, label),
            }
        described = describe_shipped(fold, allowed, trial.logits, config, judged, final)[HEAD]
        for_shipped = shipped_metrics(found, table, described, FOLDS)
        true = truth(trial.shipped.logits(others.covariates), final, elsewhere, first)
        few = others.covariates[:FEWER_OTHERS]
        of_judged = [
            truth(trial.fits[(outer,)].logits(few), decision, elsewhere[:FEWER_OTHERS], first)
            for outer, decision in enumerate(judged.decisions)
        ]
        for name, estimate in found.items():
            shown = name if name in SHARED else f"{rule}: {name}"
            values = [each[name] for each in of_judged]
            mean = None if None in values else float(np.mean(values))
            yield shown, mean, estimate, true[name], for_shipped[name]


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
    logits: np.ndarray, decision: FittedDecision, label: np.ndarray, whole: bool
) -> dict[str, float | None]:
    """What a fit with its calibrator and threshold does to many others."""
    prob = np.clip(head_probabilities(decision.calibrator.cells(logits))[HEAD], FEWEST, 1 - FEWEST)
    table = confusion(prob, label, decision.thresholds[HEAD])
    found: dict[str, float | None] = {
        "sensitivity": sensitivity(table).value,
        "specificity": specificity(table).value,
    }
    if not whole:
        return found
    ranks, positives = rankdata(prob), label.sum()
    above = ranks[label == 1].sum() - positives * (positives + 1) / 2
    order = np.argsort(-prob, kind="stable")
    right = np.cumsum(label[order])
    same = np.ptp(logit(prob)) < 1e-6
    return found | {
        "auc": float(above / positives / (len(label) - positives)),
        "average_precision": float(
            label[order] @ (right / np.arange(1, len(label) + 1)) / right[-1]
        ),
        "calibration_slope": None if same else calibration_line(prob, label)[0].value,
        "calibration_in_the_large": calibration_in_the_large(prob, label).value,
    }


def study(n: int, trials: int, name: str, world: World, seed: int, kept: list[dict]) -> list[dict]:
    """One record a trial, those that are kept not made again."""
    number = list(WORLDS).index(name)
    others = draw_patients(OTHERS, world.effect, np.random.default_rng([seed, n, number]))
    for at in range(len(kept), trials):
        generator = np.random.default_rng([seed, n, number, at])
        record = {}
        for metric, of_judged, judged, of_shipped, shipped in one_trial(
            run_trial(n, world, generator), others, at
        ):
            numbers = (of_judged, judged.value, judged.low, judged.high)
            numbers += (of_shipped, shipped.value, shipped.low, shipped.high)
            record[metric] = [None if x is None else round(x, 4) for x in numbers]
        kept.append(record)
    return kept


def summary(records: list[dict]) -> dict[str, dict[str, object]]:
    """Coverage of both intervals, bias, and how far claims are from the truth."""
    found = {}
    for metric in records[0]:
        rows = np.array([record[metric] for record in records], dtype=float)
        found[metric] = {
            "judged": _coverage(rows[:, :4]),
            "shipped": _coverage(rows[:, 4:]),
            "shipped_by_judged_interval": _coverage(rows[:, [4, 1, 2, 3]]),
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
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    part = None if options.out is None else options.out.with_suffix(".trials.json")
    kept = json.loads(part.read_text()) if part is not None and part.is_file() else {}
    start = time.perf_counter()
    worlds = {}
    for name, world in WORLDS.items():
        done = kept.setdefault(name, [])
        # In slices, so that a study that is stopped loses little.
        for until in [*range(len(done) + 25, options.trials, 25), options.trials]:
            study(options.patients, until, name, world, options.seed, done)
            if part is not None:
                write_text(part, json.dumps(kept))
        worlds[name] = summary(done[: options.trials])
    result = {
        "what": f"coverage of 95 % intervals of {HEAD}",
        "trials": options.trials,
        "patients": options.patients,
        "folds": FOLDS,
        "seed": options.seed,
        "worlds": worlds,
        "seconds": round(time.perf_counter() - start, 1),
        "machine": describe_machine(),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
