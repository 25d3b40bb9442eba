"""Published reference values of the statistics, and a made-up trial whose truth is known."""

from __future__ import annotations

import base64
import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit, logit

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.evaluation.analysis import analyse
from pcrnet.evaluation.results import Analysis
from pcrnet.evaluation.sources import read_run

HEADS = ("yT0", "yN0", "yT0yN0")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCANS = [f"{time}.{scan}" for time in ("baseline", "interim") for scan in ("pet", "dce_pre", "adc")]


@dataclass(frozen=True)
class Reference:
    """The cases of ``reference_cases.json`` and the tables they were computed from."""

    folder: Path
    cases: dict[str, Any]

    def table(self, case: dict[str, Any]) -> tuple[np.ndarray, pd.DataFrame]:
        """Labels (n,) and the table of a case."""
        table = pd.read_csv(self.folder / case["data"])
        if "subset" in case:
            table = table.query(case["subset"])
        outcome = case.get("outcome")
        if outcome is None:
            outcome = "outcome=='Poor'" if "outcome" in table else "popind==1"
        return table.eval(outcome).to_numpy().astype(float), table

    def score(self, case: dict[str, Any], column: str) -> tuple[np.ndarray, np.ndarray]:
        """Score and label (n,) of a case."""
        label, table = self.table(case)
        return table[column].to_numpy().astype(float), label


@pytest.fixture(scope="session")
def reference(test_data: Path) -> Reference:
    folder = test_data / "reference"
    return Reference(folder, json.loads((folder / "reference_cases.json").read_text()))


@pytest.fixture(scope="session")
def val_prob(reference: Reference) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Probabilities, labels and published values of 500 external predictions."""
    case = reference.cases["calibration_logistic"][0]
    table = pd.read_csv(reference.folder / case["data"])
    return table["p"].to_numpy(), table["y"].to_numpy().astype(float), case


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def chain(q: np.ndarray, r: np.ndarray, s: np.ndarray) -> dict[str, np.ndarray]:
    """Coherent probabilities of the three heads from the conditional ones."""
    return {"yT0": q, "yN0": q * r + (1 - q) * s, "yT0yN0": q * r}


def write_run(run: Path, patients: int = 460, seed: int = 7, folds: int = 5) -> Path:
    """Write the run directory of a made-up trial.

    AUC(yT0yN0) is about 0.8, calibration is exact for the main predictions, the uncalibrated ones
    are too extreme, and some outcomes and scans are unknown.
    """
    rng = np.random.default_rng(seed)
    receptor = rng.random(patients) < 0.55
    signal = rng.normal(0, 1, patients)
    late = rng.normal(0, 1, patients)
    fold = rng.permutation(np.arange(patients) % folds)
    q = expit(0.75 + 0.9 * signal + 1.0 * late - 0.5 * receptor)
    r = expit(1.6 + 0.5 * signal + 0.6 * late)
    s = expit(-0.3 + 0.4 * signal)
    truth = chain(q, r, s)
    yT0 = rng.random(patients) < q
    yN0 = np.where(yT0, rng.random(patients) < r, rng.random(patients) < s)
    unknown_n = rng.random(patients) < 0.03
    ids = [f"P{index:04d}" for index in range(patients)]
    sites = [f"centre {'ABC'[k]}" for k in rng.integers(0, 3, patients)]
    complete = rng.random(patients) > 0.12
    patterns = [
        SCANS if whole else [name for name in SCANS if name != "interim.pet"] for whole in complete
    ]

    def predictions(prob: dict[str, np.ndarray]) -> list[dict[str, object]]:
        threshold = {
            head: {k: np.quantile(prob[head][fold != k], 0.47) for k in range(folds)}
            for head in HEADS
        }
        rows: list[dict[str, object]] = []
        for i in range(patients):
            n_unknown = bool(unknown_n[i])
            both: object = int(yT0[i] and yN0[i])
            row: dict[str, object] = {
                "patient_id": ids[i],
                "site": sites[i],
                "fold": int(fold[i]),
                "yT0": int(yT0[i]),
                "yN0": "" if n_unknown else int(yN0[i]),
                "yT0yN0": "" if n_unknown and yT0[i] else both,
            }
            row |= {f"prob_{head}": repr(float(prob[head][i])) for head in HEADS}
            over = chain(*(expit(1.8 * logit(p[i]) + 0.4) for p in (q, r, s)))
            row |= {f"uncalibrated_prob_{head}": repr(float(over[head])) for head in HEADS}
            row |= {f"threshold_{head}": repr(float(threshold[head][fold[i]])) for head in HEADS}
            row["scans"] = ";".join(patterns[i])
            rows.append(row)
        return rows

    def weaker(early: float, on_treatment: float) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(1).normal(0, 1, patients)
        base = early * signal + on_treatment * late + 0.3 * noise - 0.5 * receptor
        return chain(expit(0.7 + base), expit(1.5 + 0.4 * early * signal), s)

    run.mkdir(parents=True, exist_ok=True)
    write_csv(run / "predictions.csv", predictions(truth))
    early = [
        row | {"scans": ";".join(s for s in row["scans"].split(";") if s.startswith("baseline"))}
        for row in predictions(weaker(0.9, 0.0))
    ]
    write_csv(run / "ablations" / "without_interim.csv", early)
    write_csv(run / "ablations" / "without_pet.csv", predictions(weaker(0.7, 0.8)))
    write_csv(run / "ablations" / "without_mri.csv", predictions(weaker(0.5, 0.9)))
    write_csv(run / "baselines" / "clinical.csv", predictions(weaker(0.1, 0.0)))
    age = rng.normal(51, 11, patients).round()
    c_t = rng.choice([1, 2, 3, 4], patients, p=[0.15, 0.55, 0.22, 0.08])
    c_n = rng.choice([0, 1, 2], patients, p=[0.45, 0.42, 0.13])
    grade = rng.choice([2, 3], patients, p=[0.4, 0.6])
    write_csv(
        run / "patients.csv",
        [
            {
                "patient_id": ids[i],
                "site": sites[i],
                "age": int(age[i]),
                "hormone_receptor": "positive" if receptor[i] else "negative",
                "cT": int(c_t[i]),
                "cN": int(c_n[i]),
                "grade": int(grade[i]) if rng.random() > 0.04 else "",
                "interim.days": int(rng.normal(42, 5)),
            }
            for i in range(patients)
        ],
    )
    flow = [
        {"step": "rows in the table", "n": patients + 18, "reason": ""},
        {"step": "with the minimum of scans", "n": patients + 6, "reason": "too few scans"},
        {"step": "with an outcome", "n": patients, "reason": "no outcome known"},
    ]
    (run / "flow.json").write_text(json.dumps(flow))
    environment = {"simulated": True, "pcrnet": "0.1.0", "python": "3.11", "numpy": np.__version__}
    (run / "environment.json").write_text(json.dumps(environment))
    splits = {"sha256": "0" * 64, "folds": {ids[i]: int(fold[i]) for i in range(patients)}}
    (run / "splits.json").write_text(json.dumps(splits))
    (run / "config.yaml").write_text(
        Experiment.model_validate({"run": {"name": run.name, "root": str(run.parent)}}).to_yaml()
    )
    known = {
        "noise_share": 0.2,
        "between_fits": {"auc": 1e-4, "sensitivity": 4e-4, "specificity": 4e-4},
        "apparent": {"sensitivity": 0.75, "specificity": 0.7},
        "optimism": {"sensitivity": 0.01, "specificity": 0.01},
        "instability": {"median": 0.02, "ninetieth": 0.06, "changed": 0.08},
    }
    (run / "decisions.json").write_text(json.dumps({"shipped": dict.fromkeys(HEADS, known)}))
    (run / "pictures").mkdir(exist_ok=True)
    (run / "pictures" / "P0003.png").write_bytes(PIXEL)
    pictures = [
        {"file": "P0003.png", "patient_id": "P0003", "title": "P0003", "caption": "PET over MR"}
    ]
    (run / "pictures" / "pictures.json").write_text(json.dumps(pictures))
    return run


@pytest.fixture(scope="session")
def trial_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of 460 patients; read it, do not change it."""
    return write_run(tmp_path_factory.mktemp("runs") / "trial")


@pytest.fixture(scope="session")
def rivals_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 patients with a clinical rival, and a quantitative one that says what the run's says.

    Of the network's corrections 0, 0.4 and 0.25 were kept; two quantities were measured.
    """
    run = write_run(tmp_path_factory.mktemp("runs") / "rivals", patients=200, seed=4)
    same = run / "baselines" / "quantitative.csv"
    same.write_bytes((run / "predictions.csv").read_bytes())
    (run / "bundle").mkdir()
    manifest = {"about": {"factors": [0.0, 0.4, 0.25]}}
    (run / "bundle" / "bundle.json").write_text(json.dumps(manifest))
    rows: list[dict[str, object]] = [
        {"patient_id": f"P{k:04d}", "baseline.pet.mtv_ml": k % 7, "interim.days": ""}
        for k in range(200)
    ]
    write_csv(run / "quantities.csv", rows)
    return run


@pytest.fixture(scope="session")
def analysis(trial_run: Path) -> Analysis:
    """Everything computed from the whole run, with the fewest draws."""
    return analyse(read_run(trial_run), EvaluationConfig(bootstrap_draws=200))


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    """A run of 90 patients that a test may change."""
    return write_run(tmp_path / "runs" / "small", patients=90, seed=3)


@pytest.fixture
def protocol_file(tmp_path: Path) -> Path:
    """A protocol with the trial's co-primary endpoints."""
    path = tmp_path / "protocol.yaml"
    both = {"sensitivity": 0.7, "specificity": 0.7}
    assumed = {"sensitivity": 0.8, "specificity": 0.8}
    path.write_text(
        yaml.safe_dump(
            {
                "title": "A made-up trial",
                "alpha": 0.025,
                "patients": 460,
                "response_rate": 0.5,
                "analyses": {
                    "interim": {"timepoints": ["baseline", "interim"]},
                    "baseline": {
                        "timepoints": ["baseline"],
                        "table": "ablations/without_interim.csv",
                    },
                },
                "coprimary": [
                    {"head": "yT0yN0", "analysis": "interim", "nulls": both, "assumed": assumed},
                    {"head": "yT0yN0", "analysis": "baseline", "nulls": both, "assumed": assumed},
                ],
                "secondary": [
                    {"head": "yT0", "analysis": "interim"},
                    {"head": "yN0", "analysis": "interim"},
                ],
            }
        )
    )
    return path
