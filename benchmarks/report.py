"""The whole report of a trial against a loop of scikit-learn over the same bootstrap draws.

python benchmarks/report.py [--patients N] [--draws D] [--out FILE.json]

pcrnet: evaluate_run on a made-up run of 460 patients with three heads, five folds, five other
predictions (ablations and a baseline), covariates and subgroups, from files to index.html and all
figures. The peer computes four metrics (AUC, average precision, Brier score, log loss) of three
heads with percentile intervals and nothing else. Wall seconds depend on the machine, which is
named; the limit for the report is 20 s on 2 cores.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import describe_machine, publish
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.experiment import Experiment
from pcrnet.evaluation.analysis import evaluate_run
from pcrnet.evaluation.tables.predictions import Predictions, write_predictions

FOLDS = 5
LIMIT_S = 20.0
SCANS = tuple(f"{time}.{scan}" for time in ("baseline", "interim") for scan in ("pet", "adc"))
VARIANTS = {
    "ablations/without-interim": 0.4,
    "ablations/without-pet": 0.7,
    "ablations/without-mri": 0.6,
    "ablations/without-baseline": 0.8,
    "baselines/clinical-alone": 0.1,
}


def make_predictions(patients: int, strength: float) -> Predictions:
    """Coherent predictions of one cohort whose signal they hold with ``strength`` (0 to 1)."""
    generator = np.random.default_rng(1)
    signal, noise = generator.normal(size=(2, patients))
    fold = generator.permutation(np.arange(patients) % FOLDS)
    breast = generator.random(patients) < expit(0.4 + 1.4 * signal)
    nodes = generator.random(patients) < expit(np.where(breast, 1.6, -0.5) + 0.6 * signal)
    seen = strength * signal + np.sqrt(1 - strength**2) * noise
    prob = _chain(0.4 + 1.4 * seen, 1.6 + 0.6 * seen, -0.5 + 0.6 * seen)
    sharper = _chain(0.6 + 2.1 * seen, 2.4 + 0.9 * seen, -0.8 + 0.9 * seen)
    cut = {
        head: np.array([np.median(p[fold != k]) for k in range(FOLDS)]) for head, p in prob.items()
    }
    return Predictions(
        patient_id=tuple(f"P{number:04d}" for number in range(patients)),
        prob=prob,
        label={
            "yT0": breast.astype(float),
            "yN0": nodes.astype(float),
            "yT0yN0": (breast & nodes).astype(float),
        },
        site=tuple(f"centre {site}" for site in generator.integers(1, 5, patients)),
        fold=fold,
        uncalibrated_prob=sharper,
        threshold={head: values[fold] for head, values in cut.items()},
        scans=tuple(SCANS if whole else SCANS[:3] for whole in generator.random(patients) < 0.9),
    )


def _chain(*logits: np.ndarray) -> dict[Head, np.ndarray]:
    q, r, s = expit(np.array(logits))
    return {"yT0": q, "yN0": q * r + (1 - q) * s, "yT0yN0": q * r}


def write_run(run: Path, patients: int, draws: int) -> Predictions:
    """A finished run's directory; returns the main predictions."""
    main = make_predictions(patients, 1.0)
    for name, strength in {"predictions": 1.0, **VARIANTS}.items():
        path = run / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(path, make_predictions(patients, strength))
    generator = np.random.default_rng(2)
    columns = {
        "age": generator.normal(51, 11, patients).round().astype(int),
        "hormone_receptor": generator.choice(["positive", "negative"], patients),
        "cT": generator.choice([1, 2, 3, 4], patients, p=[0.15, 0.55, 0.22, 0.08]),
        "cN": generator.choice([0, 1, 2], patients, p=[0.45, 0.42, 0.13]),
        "grade": generator.choice([2, 3], patients),
    }
    with (run / "patients.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient_id", *columns])
        writer.writerows(zip(main.patient_id, *columns.values(), strict=True))
    protocol = Path(__file__).parents[1] / "configs" / "protocols" / "NCT06708910.yaml"
    evaluation = {"bootstrap_draws": draws, "protocol": str(protocol)}
    experiment = Experiment.model_validate({"evaluation": evaluation})
    (run / "config.yaml").write_text(experiment.to_yaml())
    return main


def loop_scikit_learn(predictions: Predictions, draws: int) -> dict[str, list[float]]:
    """Percentile intervals of four metrics of each head, one draw at a time."""
    metrics = {
        "auc": roc_auc_score,
        "average_precision": average_precision_score,
        "brier": brier_score_loss,
        "log_loss": log_loss,
    }
    generator = np.random.default_rng(0)
    found = {}
    for head in HEADS:
        label, prob = predictions.label[head], predictions.prob[head]
        values = np.empty((draws, len(metrics)))
        for draw in range(draws):
            rows = generator.integers(len(label), size=len(label))
            values[draw] = [metric(label[rows], prob[rows]) for metric in metrics.values()]
        for name, limits in zip(
            metrics, np.quantile(values, [0.025, 0.975], axis=0).T, strict=True
        ):
            found[f"{head} {name}"] = limits.tolist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=460)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "trial"
        predictions = write_run(run, options.patients, options.draws)
        wall, cpu = time.perf_counter(), time.process_time()
        report = evaluate_run(run)
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        files = sum(1 for path in report.parent.rglob("*") if path.is_file())
    wall, cpu = time.perf_counter(), time.process_time()
    loop_scikit_learn(predictions, options.draws)
    peer_seconds, peer_cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    result = {
        "what": f"report of {options.patients} patients × 3 heads, {options.draws} draws",
        "limit_seconds": LIMIT_S,
        "report_seconds": round(seconds, 1),
        "report_cpu_seconds": round(cpu_seconds, 1),
        "files_written": files,
        "scikit_learn_loop_seconds": round(peer_seconds, 1),
        "scikit_learn_loop_cpu_seconds": round(peer_cpu_seconds, 1),
        "cpu_ratio_to_report": round(peer_cpu_seconds / cpu_seconds, 2),
        "machine": describe_machine(),
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
