"""How much each model learns from how many patients, in both simulated worlds.

python benchmarks/learning.py --json FILE [--worlds amount pattern] [--sizes 60 120 240]
    [--seeds 1 2 3] [--models network quantitative clinical] [--test 600] [--folder DIR]
    [section.key=value ...]

For each world, seed and size a model is fitted, calibrated and shipped as a run would, then asked
about fresh patients of the same world whom nothing was chosen on. ``biology`` is a ridge on the
true biology, fitted on the same patients: what no image can beat at that size; ``oracle`` knows the
probabilities. One record for each model, world, size, seed and head; the file is added to, and what
it holds already is not computed again. ``share`` is the part of the biology ridge's excess over an
AUC of 0.5. Overrides hold for every model's run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from harness import describe_torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pcrnet.cohort.outcome import HEADS
from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.config.data import SimulationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.data.splits import make_splits
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.models.kinds import read_model
from pcrnet.run.judging import ship
from pcrnet.simulation.trial import COVARIATES, simulate_trial
from pcrnet.simulation.truth import Truth, truth_of
from pcrnet.training.crossval import run_fits
from pcrnet.training.fit import MODEL_FOLDER, FitJob
from pcrnet.training.plan import SHIPPED_FIT, plan_fits

JUDGED = ("yT0", "yT0yN0")
FRESH_SEED = 900_000  # far from any seed that a cohort is trained on
_MODELS = {
    "network": [],
    "quantitative": ["model.kind=quantitative"],
    "clinical": ["model.kind=clinical"],
    "densenet121": ["model.kind=monai", "model.backbone=densenet121"],
    "resnet10": ["model.kind=monai", "model.backbone=resnet10"],
}


def cohort_of(
    world: str, patients: int, seed: int, folder: Path, experiment: Experiment
) -> tuple[tuple[Patient, ...], Truth]:
    """A simulated cohort with its tensors made, and its truth."""
    config = SimulationConfig.model_validate({"world": world, "patients": patients, "seed": seed})
    table = simulate_trial(folder / f"{world}-{patients}-{seed}", config)
    data = experiment.data
    found = read_cohort(
        table,
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
        covariates=COVARIATES,
    ).patients
    TensorCache(experiment.cache_directory, data, experiment.imaging).build(found)
    return found, truth_of(config)


def probabilities(
    experiment: Experiment, patients: Sequence[Patient], fresh: Sequence[Patient], place: Path
) -> dict[str, np.ndarray]:
    """What the model that a run on ``patients`` ships says of ``fresh``, by head."""
    evaluation = experiment.evaluation
    splits = make_splits(patients, evaluation.folds, experiment.run.seed, "patient")
    job = FitJob(experiment, COVARIATES, tuple(patients), splits, place)
    run_fits(job, plan_fits(evaluation.folds, evaluation.mode), lambda event: None)
    decision = ship(job)
    folder = place / SHIPPED_FIT.name / MODEL_FOLDER
    model = read_model(folder, experiment.model, experiment.data, experiment.imaging)
    return head_probabilities(decision.calibrator.cells(model.logits(fresh, job.cache())))


def biology_ridge(truth: Truth, rows: np.ndarray, fresh: Truth, head: str) -> np.ndarray:
    """A cross-validated ridge on the true biology of the training patients."""
    model = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=np.geomspace(1e-3, 1, 7), scoring="neg_log_loss")
    )
    model.fit(truth.biology[rows], truth.outcome[head][rows])
    return model.predict_proba(fresh.biology)[:, 1]


def score(prob: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """AUC, log-loss in nats, and calibration slope."""
    prob = np.clip(prob, 1e-6, 1 - 1e-6)
    logit = np.log(prob / (1 - prob))
    constant = np.ptp(logit) < 1e-9
    slope = np.nan
    if not constant:
        slope = LogisticRegression(C=np.inf).fit(logit[:, None], label).coef_[0, 0]
    return {
        "auc": round(float(roc_auc_score(label, prob)), 4),
        "log_loss": round(float(log_loss(label, prob)), 4),
        "slope": round(float(slope), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--worlds", nargs="+", default=["amount", "pattern"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[60, 120, 240])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--models", nargs="+", default=["network", "quantitative", "clinical"])
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    options, overrides = parser.parse_known_args()
    records = json.loads(options.json.read_text())["records"] if options.json.is_file() else []
    base = [f"run.root={options.folder}", "evaluation.mode=crossfit", *overrides]
    experiment = load_experiment(base)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()

    def keep(record: dict[str, object]) -> None:
        records.append(record)
        about = {"machine": describe_torch(), "commit": commit, "overrides": overrides}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({**about, "records": records}, indent=1) + "\n")
        print(json.dumps(record), flush=True)

    for world in options.worlds:
        fresh, fresh_truth = cohort_of(world, options.test, FRESH_SEED, options.folder, experiment)
        for seed in options.seeds:
            everybody, truth = cohort_of(
                world, max(options.sizes), seed, options.folder, experiment
            )
            for n in options.sizes:
                rows = np.arange(n)
                key = {"world": world, "n": n, "seed": seed, "test": options.test}
                excess = {}
                for head in JUDGED:
                    label = fresh_truth.outcome[head]
                    ridge = score(biology_ridge(truth, rows, fresh_truth, head), label)
                    excess[head] = ridge["auc"] - 0.5
                    for model, found in (
                        ("biology", ridge),
                        ("oracle", score(fresh_truth.prob(head), label)),
                    ):
                        record = {"model": model, **key, "head": head}
                        if not any(record.items() <= old.items() for old in records):
                            keep({**record, **found})
                for model in options.models:
                    wanted = {"model": model, **key}
                    if any(wanted.items() <= old.items() for old in records):
                        continue
                    own = load_experiment([*base, f"run.seed={seed}", *_MODELS[model]])
                    start = time.perf_counter()
                    place = options.folder / "fits" / f"{world}-{n}-{seed}-{model}"
                    prob = probabilities(own, everybody[:n], fresh, place)
                    seconds = round(time.perf_counter() - start, 1)
                    for head in JUDGED:
                        found = score(prob[head], fresh_truth.outcome[head])
                        share = round((found["auc"] - 0.5) / max(excess[head], 1e-3), 3)
                        keep({**wanted, "head": head, **found, "share": share, "seconds": seconds})


if __name__ == "__main__":
    assert set(JUDGED) <= set(HEADS)
    main()
