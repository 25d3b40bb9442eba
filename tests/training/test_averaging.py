from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.special import expit

from pcrnet.config.evaluation import EvaluationConfig, SensitivityRule
from pcrnet.evaluation.metrics import head_metrics
from pcrnet.evaluation.predictions import Predictions
from pcrnet.training.averaging import as_averaged, noise_of_all, noise_without
from pcrnet.training.nested import final_decision, nested_estimate
from pcrnet.training.plan import plan_fits

FOLDS, TARGET = 5, 0.90
RULE = SensitivityRule(target=TARGET)
CONFIG = EvaluationConfig(operating_point=RULE, bootstrap_draws=200)
NOISE_SD = np.array([0.8, 1.2, 0.6])


class Trial:
    """Patients whose logits are a signal shared by all fits and noise of each fit's own."""

    def __init__(self, patients: int, seed: int, noise_sd: np.ndarray = NOISE_SD) -> None:
        generator = np.random.default_rng(seed)
        signal = generator.normal([0.3, 1.0, -0.5], 1.0, (patients, 3))
        breast = generator.random(patients) < expit(signal[:, 0])
        nodes = generator.random(patients) < expit(np.where(breast, signal[:, 1], signal[:, 2]))
        self.cell = np.where(breast, np.where(nodes, 0, 1), np.where(nodes, 2, 3))
        self.allowed = np.eye(4, dtype=bool)[self.cell]
        self.fold = np.arange(patients) % FOLDS
        self.signal = signal
        self.logits = {}
        for plan in plan_fits(FOLDS, "nested"):
            values = signal + generator.normal(0.0, noise_sd, signal.shape)
            values[~np.isin(self.fold, plan.left_out)] = np.nan
            self.logits[plan.left_out] = values

    def without_triples(self) -> dict[tuple[int, ...], np.ndarray]:
        """The logits as they were before there were triples."""
        return {key: values for key, values in self.logits.items() if len(key) < 3}

    def judged(self, logits: dict[tuple[int, ...], np.ndarray]) -> dict[str, float]:
        """Sensitivity and calibration slope of yT0 by the nested estimate."""
        estimate = nested_estimate(self.fold, self.allowed, logits, CONFIG)
        thresholds = np.array([d.thresholds["yT0"] for d in estimate.decisions])
        breast = (self.cell < 2).astype(float)
        unknown = np.full(len(self.cell), np.nan)
        table = Predictions(
            patient_id=tuple(f"P{i}" for i in range(len(self.cell))),
            prob={"yT0": estimate.probabilities["yT0"]},
            label={"yT0": breast, "yN0": unknown, "yT0yN0": unknown},
            fold=self.fold,
            threshold={"yT0": thresholds[self.fold]},
        )
        metrics = head_metrics(table, "yT0", CONFIG)
        return {name: metrics[name].value for name in ("sensitivity", "calibration_slope")}


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial(10_000, seed=1)


def standard_error(trial: Trial, folds: int) -> np.ndarray:
    """Of variance less covariance over the patients of some folds: own times difference."""
    own, difference = trial.signal.var(axis=0) + NOISE_SD**2, 2 * NOISE_SD**2
    return np.sqrt(own * difference / (len(trial.fold) * folds / FOLDS))


@pytest.mark.parametrize("outer", range(FOLDS))
def test_the_noise_of_a_fit_is_found_without_the_outer_fold(trial: Trial, outer: int) -> None:
    logits = {
        key: np.where((trial.fold == outer)[:, None], np.nan, values)
        for key, values in trial.logits.items()
        if outer in key  # what a fit that saw the fold says must not be asked for
    }
    noise = noise_without(outer, trial.fold, logits)
    assert (np.abs(noise - NOISE_SD**2) < 4 * standard_error(trial, folds=2)).all()


def test_the_noise_of_the_fits_that_ship_is_found_beside_the_pairs(trial: Trial) -> None:
    noise = noise_of_all(trial.fold, trial.logits)
    assert (np.abs(noise - NOISE_SD**2) < 4 * standard_error(trial, folds=FOLDS)).all()


def test_the_noise_is_that_of_the_fit_that_is_used_and_not_of_the_noisier_one(trial: Trial) -> None:
    """Fits that leave out more folds learn from fewer patients and are noisier."""
    noisier = {
        key: values + np.random.default_rng(len(key)).normal(0.0, 2.0, values.shape)
        if len(key) == 2
        else values
        for key, values in trial.logits.items()
    }
    shipped = noise_of_all(trial.fold, noisier)
    spread = 4 * np.sqrt((trial.signal.var(axis=0) + NOISE_SD**2) * (2 * NOISE_SD**2 + 4.0))
    assert (np.abs(shipped - NOISE_SD**2) < spread / np.sqrt(len(trial.fold))).all()
    judged = noise_without(0, trial.fold, noisier)
    np.testing.assert_allclose(judged, NOISE_SD**2 + 4.0, rtol=0.15)


def test_without_triples_neither_what_is_judged_nor_what_ships_is_changed(trial: Trial) -> None:
    assert noise_without(0, trial.fold, trial.without_triples()) is None
    assert noise_of_all(trial.fold, trial.without_triples()) is None


def test_single_logits_come_to_spread_as_means_of_models_do(trial: Trial) -> None:
    generator = np.random.default_rng(2)
    single = trial.signal + generator.normal(0.0, NOISE_SD, trial.signal.shape)
    mean = trial.signal + generator.normal(0.0, NOISE_SD / 2, trial.signal.shape)
    shrunk = as_averaged(single, trial.allowed, NOISE_SD**2, models=4)
    for cell in range(4):
        inside = trial.cell == cell
        np.testing.assert_allclose(shrunk[inside].mean(axis=0), single[inside].mean(axis=0))
    within = [
        sum(
            ((x - x[trial.cell == c].mean(axis=0))[trial.cell == c] ** 2).sum(axis=0)
            for c in range(4)
        )
        for x in (shrunk, mean)
    ]
    np.testing.assert_allclose(within[0], within[1], rtol=0.05)


def cases() -> Iterator[tuple[str, np.ndarray, int]]:
    yield "no noise", np.zeros(3), 4
    yield "one model", np.ones(3), 1


@pytest.mark.parametrize(("noise", "models"), [case[1:] for case in cases()])
def test_nothing_moves_where_a_mean_would_change_nothing(
    trial: Trial, noise: np.ndarray, models: int
) -> None:
    shrunk = as_averaged(trial.signal, trial.allowed, noise, models)
    np.testing.assert_allclose(shrunk, trial.signal, rtol=1e-12)


def test_however_large_the_noise_seems_a_mean_keeps_its_share_of_the_variance(trial: Trial) -> None:
    shrunk = as_averaged(trial.signal, trial.allowed, np.full(3, 1e9), models=4)
    inside = trial.cell == 0
    np.testing.assert_allclose(
        shrunk[inside].std(axis=0), trial.signal[inside].std(axis=0) / 2, rtol=1e-9
    )


def test_patients_of_unknown_outcome_are_drawn_to_the_mean_of_all() -> None:
    logits = np.array([[0.0, 0, 0], [2, 2, 2], [1, 1, 1], [3, 3, 3], [9, 9, 9]])
    allowed = np.array([[1, 0, 0, 0]] * 2 + [[0, 0, 0, 1]] * 2 + [[1, 1, 1, 1]], dtype=bool)
    shrunk = as_averaged(logits, allowed, np.full(3, 1e9), models=4)
    np.testing.assert_allclose(shrunk[:, 0], [0.5, 1.5, 1.5, 2.5, 3 + 6 / 2])


def test_too_few_known_outcomes_leave_the_logits_alone() -> None:
    logits = np.array([[0.0, 1, 2], [3, 4, 5]])
    allowed = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], dtype=bool)
    np.testing.assert_array_equal(as_averaged(logits, allowed, np.ones(3), 4), logits)


@pytest.mark.slow
def test_the_mean_of_models_is_calibrated_and_meets_its_target(trial: Trial) -> None:
    """n = 10,000: the standard error is 0.004 of the sensitivity and 0.025 of the slope."""
    found, before = trial.judged(trial.logits), trial.judged(trial.without_triples())
    assert found["sensitivity"] == pytest.approx(TARGET, abs=0.012)
    assert found["calibration_slope"] == pytest.approx(1.0, abs=0.08)
    assert before["sensitivity"] > TARGET + 0.015
    assert before["calibration_slope"] > 1.2


def test_what_ships_is_fitted_to_the_spread_of_its_own_mean(trial: Trial) -> None:
    """New patients, predicted by the mean of five models that never saw them."""
    decision = final_decision(trial.fold, trial.allowed, trial.logits, CONFIG)
    new = Trial(10_000, seed=3)
    generator = np.random.default_rng(4)
    mean = new.signal + generator.normal(0.0, NOISE_SD / np.sqrt(FOLDS), new.signal.shape)
    called = decision.calibrator.cells(mean)[:, :2].sum(axis=1) > decision.thresholds["yT0"]
    assert called[new.cell < 2].mean() == pytest.approx(TARGET, abs=0.015)
