"""What learning curves are scored with, held against closed forms."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from filelock import FileLock, Timeout
from scipy.special import expit

RNG = np.random.default_rng(5)


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.learning")


@pytest.fixture
def tables(learning: ModuleType) -> ModuleType:
    return importlib.import_module("benchmarks.learning_tables")


def test_the_truth_has_an_expected_slope_of_one_and_the_entropy_for_its_loss(
    learning: ModuleType,
) -> None:
    prob = expit(RNG.normal(-0.4, 1.3, 400))
    found = learning.expected(prob, prob)
    entropy = -(prob * np.log(prob) + (1 - prob) * np.log(1 - prob)).mean()
    assert found["expected_slope"] == 1.0
    assert found["expected_log_loss"] == pytest.approx(entropy, abs=6e-5)


def test_a_model_twice_too_sure_has_half_the_slope_and_loses_by_it(learning: ModuleType) -> None:
    logit = RNG.normal(-0.4, 1.3, 400)
    found = learning.expected(expit(2 * logit), expit(logit))
    assert found["expected_slope"] == 0.5
    assert (
        found["expected_log_loss"]
        > learning.expected(expit(logit), expit(logit))["expected_log_loss"]
    )


def test_a_slope_of_outcomes_is_near_what_is_expected_of_many_patients(
    learning: ModuleType,
) -> None:
    logit = RNG.normal(0.2, 1.0, 60_000)
    drawn = (RNG.random(60_000) < expit(0.7 * logit)).astype(float)
    assert learning.slope(expit(logit), drawn) == pytest.approx(0.7, abs=0.04)
    assert learning.slope(np.full(9, 0.3), drawn[:9]) is None


def test_the_fits_of_a_folder_are_held_by_one_process(
    learning: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "fits" / "amount-60-1-network"

    class SeenError(Exception):
        """The fits were asked for, while nobody else could ask for them."""

    def run_fits(*_: object) -> None:
        with pytest.raises(Timeout):
            FileLock(place.with_name(f"{place.name}.lock"), timeout=0).acquire()
        raise SeenError

    monkeypatch.setattr(learning, "run_fits", run_fits)
    monkeypatch.setattr(learning, "make_splits", lambda *_: None)
    with pytest.raises(SeenError):
        learning.Shipped.of(learning.load_experiment([]), [], place)


def test_pooling_averages_seeds_and_keeps_models_apart(tables: ModuleType) -> None:
    def record(model: str, seed: int, auc: float) -> dict[str, object]:
        rest = dict.fromkeys(("log_loss", "slope", "expected_log_loss", "expected_slope"), 0.5)
        key = {"world": "amount", "n": 60, "head": "yT0", "test": 9, "model": model, "seed": seed}
        return {**key, **rest, "share": 1.0, "auc": auc}

    records = [record("a", 2, 0.6), record("b", 1, 0.9), record("a", 1, 0.7)]
    first, second = tables.pooled(records)
    assert (first["model"], first["seeds"], first["auc"]) == ("a", [1, 2], 0.65)
    assert (second["model"], second["seeds"], second["auc"]) == ("b", [1], 0.9)
