"""How much each model learns from how many patients, in both simulated worlds.

python benchmarks/learning.py --json FILE [--worlds amount pattern] [--sizes 60 120 240]
    [--seeds 1 2 3] [--models quantitative clinical crude network] [--test 600] [--folder DIR]
    [section.key=value ...]

For each world, seed and size a model is fitted, calibrated and shipped as a run would, then asked
about fresh patients of the same world whom nothing was chosen on. ``expected_log_loss`` and
``expected_slope`` are what log-loss and slope come to on average over the outcomes that these
patients could have had: the oracle's probabilities stand in for the outcomes, so that chance in the
outcomes of one test set is not taken for a fault of the model. ``crude`` is a ridge on fifteen
numbers of a mask, ``biology`` one on the true biology, fitted on the same patients: what no image
can beat at that size; ``oracle`` knows the probabilities. Cohorts of a seed are nested, and every
scan is simulated, registered and measured once for all sizes and models. One record for each model,
world, size, seed and head; the file is added to, and what it holds already is not computed again.
``share`` is the part of the biology ridge's excess over an AUC of 0.5. What each model said of the
fresh patients is kept in the folder: ``comparisons`` holds the paired differences of each model
from its rivals, with 95 % intervals. Overrides hold for every model's run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.crude import crude_features, ridge_probability
from benchmarks.harness import commit, describe_torch, keep
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.config.data import SimulationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.data.dataset import TensorSource
from pcrnet.data.splits import make_splits
from pcrnet.decision.calibrators import Calibrator, head_probabilities
from pcrnet.evaluation.statistics.comparison.auc_comparison import compare_auc
from pcrnet.evaluation.statistics.comparison.score_comparison import compare_log_loss
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.models.contract import FittedModel, Shown
from pcrnet.models.kinds import read_model
from pcrnet.run.judging import ship
from pcrnet.simulation.trial import COVARIATES, simulate_trial
from pcrnet.simulation.truth import Truth, truth_of
from pcrnet.training.crossval import run_fits
from pcrnet.training.fit import MODEL_FOLDER, FitJob
from pcrnet.training.plan import SHIPPED_FIT, plan_fits

JUDGED: tuple[Head, ...] = ("yT0", "yT0yN0")
FRESH, FRESH_SEED = 600, 900_000  # far from any seed that a cohort is trained on
MODELS = {
    "network": [],
    "quantitative": ["model.kind=quantitative"],
    "clinical": ["model.kind=clinical"],
    "densenet121": ["model.kind=monai", "model.backbone=densenet121"],
    "resnet10": ["model.kind=monai", "model.backbone=resnet10"],
}
_RIVALS = ("quantitative", "clinical", "crude", "biology")
Said = Mapping[Head, NDArray[np.float64]]
"""Head to the probability of each fresh patient."""


@dataclass(frozen=True, eq=False)
class World:
    """A simulated cohort.

    Attributes:
        patients: Whose tensors and quantities lie in the cache.
        truth: In the same order.
        folder: Of its scans.
    """

    patients: tuple[Patient, ...]
    truth: Truth
    folder: Path

    def crude(self) -> NDArray[np.float64]:
        """Features (n, 27) of the crude rival."""
        return crude_features(self.patients, self.folder / "crude.json")


def cohort_of(
    world: str, patients: int, seed: int, folder: Path, experiment: Experiment, first: int
) -> World:
    """The first patients of a simulated cohort, with tensors and quantities made, and the truth.

    A patient is made from the seed and the patient's number: how many follow changes nothing.
    """
    config = SimulationConfig.model_validate({"world": world, "patients": patients, "seed": seed})
    place = folder / f"{world}-{patients}-{seed}"
    table = simulate_trial(place, config)
    data = experiment.data
    found = read_cohort(
        table,
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
        covariates=COVARIATES,
    ).patients[:first]
    TensorCache(experiment.cache_directory, data, experiment.imaging).build(found)
    return World(found, truth_of(config.model_copy(update={"patients": first})), place)


@dataclass(frozen=True, eq=False)
class Shipped:
    """What a run on some patients ships.

    Attributes:
        model: The fitted model.
        calibrator: From its logits to the cells.
        cache: Tensors and quantities.
    """

    model: FittedModel
    calibrator: Calibrator
    cache: TensorCache

    @classmethod
    def of(cls, experiment: Experiment, patients: Sequence[Patient], place: Path) -> Shipped:
        """Fit and calibrate as a run does; what lies in ``place`` is not fitted again.

        Of two processes that want the same fits one waits, and finds them made.
        """
        evaluation = experiment.evaluation
        splits = make_splits(patients, evaluation.folds, experiment.run.seed, "patient")
        job = FitJob(experiment, COVARIATES, tuple(patients), splits, place)
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(f"{place.name}.lock")):
            run_fits(job, plan_fits(evaluation.folds, evaluation.mode), lambda event: None)
        folder = place / SHIPPED_FIT.name / MODEL_FOLDER
        model = read_model(folder, experiment.model, experiment.data, experiment.imaging)
        return cls(model, ship(job).calibrator, job.cache())

    def says(
        self,
        patients: Sequence[Patient],
        source: TensorSource | None = None,
        shown: Shown | None = None,
    ) -> Said:
        """Calibrated probabilities of patients, by head."""
        logits = self.model.logits(patients, source or self.cache, shown=shown)
        return head_probabilities(self.calibrator.cells(logits))


def biology_ridge(truth: Truth, rows: NDArray[np.int64], fresh: Truth, head: Head) -> np.ndarray:
    """A cross-validated ridge on the true biology of the training patients."""
    model = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=np.geomspace(1e-3, 1, 7), scoring="neg_log_loss")
    )
    model.fit(truth.biology[rows], truth.outcome[head][rows])
    return model.predict_proba(fresh.biology)[:, 1]


def score(prob: np.ndarray, label: np.ndarray) -> dict[str, float | None]:
    """AUC, log-loss in nats, and calibration slope."""
    prob = np.clip(prob, 1e-6, 1 - 1e-6)
    return {
        "auc": round(float(roc_auc_score(label, prob)), 4),
        "log_loss": round(float(log_loss(label, prob)), 4),
        "slope": slope(prob, label.astype(np.float64)),
    }


def expected(prob: np.ndarray, true_prob: np.ndarray) -> dict[str, float | None]:
    """Log-loss in nats and calibration slope, on average over outcomes drawn from the truth."""
    prob = np.clip(prob, 1e-6, 1 - 1e-6)
    losses = -true_prob * np.log(prob) - (1 - true_prob) * np.log1p(-prob)
    return {
        "expected_log_loss": round(float(losses.mean()), 4),
        "expected_slope": slope(prob, true_prob),
    }


def slope(prob: np.ndarray, label: np.ndarray) -> float | None:
    """Slope of a logistic regression of labels in [0, 1] on logits; None where these are constant.

    A fraction counts as so much of an event and so much of none.
    """
    logit = np.log(prob / (1 - prob))
    if np.ptp(logit) < 1e-9:
        return None
    n = len(logit)
    model = LogisticRegression(C=np.inf)
    model.fit(
        np.concatenate([logit, logit])[:, None],
        np.repeat([1, 0], n),
        sample_weight=np.concatenate([label, 1 - label]),
    )
    return round(float(model.coef_[0, 0]), 3)


def compared(
    first: np.ndarray, second: np.ndarray, label: np.ndarray
) -> dict[str, list[float | None]]:
    """``first`` less ``second`` on the same patients: log-loss and AUC, each [value, low, high]."""

    def plain(estimate: Estimate) -> list[float | None]:
        found = (estimate.value, estimate.low, estimate.high)
        return [None if number is None else round(number, 4) for number in found]

    first, second = (np.clip(prob, 1e-6, 1 - 1e-6) for prob in (first, second))
    truth = label.astype(np.float64)
    return {
        "log_loss": plain(compare_log_loss(first, second, truth)),
        "auc": plain(compare_auc(first, second, truth).difference),
    }


def said_folder(folder: Path, overrides: Sequence[str]) -> Path:
    """Where what models said under some overrides is kept: under others they say other things."""
    if not overrides:
        return folder / "said"
    digest = hashlib.sha256("\n".join(sorted(overrides)).encode()).hexdigest()
    return folder / f"said-{digest[:12]}"


class Results:
    """The file of results, and what every model said of the fresh patients."""

    def __init__(self, path: Path, folder: Path, overrides: Sequence[str]) -> None:
        found = json.loads(path.read_text()) if path.is_file() else {}
        self.records: list[dict[str, object]] = found.get("records", [])
        self.comparisons: list[dict[str, object]] = found.get("comparisons", [])
        self._path, self._said = path, said_folder(folder, overrides)
        self._about = {"overrides": list(overrides), "commit": commit()}

    def known(self, key: Mapping[str, object]) -> bool:
        """Whether there is a record of a model for every head."""
        return all(
            any({**key, "head": head}.items() <= old.items() for old in self.records)
            for head in JUDGED
        )

    def keep(
        self, key: Mapping[str, object], said: Said, truth: Truth, excess: Said, seconds: float
    ) -> None:
        """Add a model's records, keep what it said, and compare it with whom there is."""
        self._said.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {str(head): prob for head, prob in said.items()}
        np.savez(self._place(key), **arrays)
        for head in JUDGED:
            label = truth.outcome[head]
            found = score(said[head], label) | expected(said[head], truth.prob(head))
            above = None if found["auc"] is None else found["auc"] - 0.5
            share = None if above is None else round(above / max(float(excess[head]), 1e-3), 3)
            record = {**key, "head": head, **found, "share": share, "seconds": round(seconds, 1)}
            self.records.append({**record, **self._about})
            print(json.dumps(record), flush=True)
        self.compare(key, truth)
        self._write()

    def compare(self, key: Mapping[str, object], truth: Truth) -> None:
        """A model against the rivals of the same size and seed that are there."""
        for rival in _RIVALS:
            place = self._place({**key, "model": rival})
            if rival == key["model"] or not place.is_file():
                continue
            own, other = np.load(self._place(key)), np.load(place)
            for head in JUDGED:
                found = compared(own[head], other[head], truth.outcome[head])
                self.comparisons.append({**key, "head": head, "rival": rival, **found})

    def _place(self, key: Mapping[str, object]) -> Path:
        name = "-".join(str(key[part]) for part in ("world", "n", "seed", "test", "model"))
        return self._said / f"{name}.npz"

    def _write(self) -> None:
        whole = {
            "machine": describe_torch(),
            "records": self.records,
            "comparisons": self.comparisons,
        }
        keep(whole, self._path)


def references(train: World, n: int, fresh: World) -> dict[str, Said]:
    """The models that need no run of pcrnet."""
    rows = np.arange(n)
    mine, theirs = train.crude()[rows], fresh.crude()
    outcome = train.truth.outcome
    return {
        "biology": {head: biology_ridge(train.truth, rows, fresh.truth, head) for head in JUDGED},
        "oracle": {head: fresh.truth.prob(head) for head in JUDGED},
        "crude": {head: ridge_probability(mine, outcome[head][rows], theirs) for head in JUDGED},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--worlds", nargs="+", default=["amount", "pattern"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[60, 120, 240])
    parser.add_argument("--cohort", type=int, default=240, help="simulated patients of a seed")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--models", nargs="+", default=["quantitative", "clinical", "network"])
    parser.add_argument(
        "--test", type=int, default=600, help="fresh patients of a world, at most 600"
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    options, overrides = parser.parse_known_args()
    base = [f"run.root={options.folder}", *overrides]
    experiment = load_experiment(base)
    results = Results(options.json, options.folder, overrides)
    for world in options.worlds:
        fresh = cohort_of(world, FRESH, FRESH_SEED, options.folder, experiment, options.test)
        for seed in options.seeds:
            train = cohort_of(
                world, options.cohort, seed, options.folder, experiment, max(options.sizes)
            )
            for n in options.sizes:
                key = {"world": world, "n": n, "seed": seed, "test": options.test}
                there = references(train, n, fresh)
                excess = {
                    head: roc_auc_score(fresh.truth.outcome[head], there["biology"][head]) - 0.5
                    for head in JUDGED
                }
                for model, said in there.items():
                    if not results.known({"model": model, **key}):
                        results.keep({"model": model, **key}, said, fresh.truth, excess, 0.0)
                for model in options.models:
                    if results.known({"model": model, **key}):
                        continue
                    own = load_experiment([*base, f"run.seed={seed}", *MODELS[model]])
                    start = time.perf_counter()
                    place = options.folder / "fits" / f"{world}-{n}-{seed}-{model}"
                    said = Shipped.of(own, train.patients[:n], place).says(fresh.patients)
                    seconds = time.perf_counter() - start
                    results.keep({"model": model, **key}, said, fresh.truth, excess, seconds)


if __name__ == "__main__":
    assert set(JUDGED) <= set(HEADS)
    main()
