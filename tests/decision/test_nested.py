from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcrnet.cohort.outcome import HEADS, Outcome
from pcrnet.config.evaluation import (
    EvaluationConfig,
    NetBenefitRule,
    NoCalibration,
    SensitivityRule,
    TemperatureCalibration,
)
from pcrnet.decision import nested
from pcrnet.decision.calibrators import ChainCalibrator, calibrator_from_dict, head_probabilities
from pcrnet.decision.nested import final_decision, fit_decision, head_labels, nested_estimate
from pcrnet.decision.training_size import brought_to_scale, steeper_in_all, steeper_in_single
from pcrnet.training.plan import plan_fits

PATIENTS, FOLDS = 30, 3
CONFIG = EvaluationConfig(folds=FOLDS)
CROSSFIT = CONFIG.model_copy(update={"mode": "crossfit"})


@dataclass(frozen=True)
class Trial:
    """Made-up logits of all fits of a trial with ``PATIENTS`` patients."""

    fold: np.ndarray
    allowed: np.ndarray
    logits: Mapping[tuple[int, ...], np.ndarray]


def make_trial(seed: int, mode: str = "nested") -> Trial:
    """Logits that know the outcome a little; each fit's own, NaN for patients it learned from."""
    generator = np.random.default_rng(seed)
    fold = generator.permutation(np.arange(PATIENTS) % FOLDS)
    cell = generator.permutation(np.arange(PATIENTS) % 4)
    allowed = np.eye(4, dtype=bool)[cell]
    allowed[generator.integers(PATIENTS)] = Outcome(yT0=True).allowed_cells
    allowed[generator.integers(PATIENTS)] = True
    response = np.stack([cell < 2, cell % 2 == 0, cell % 2 == 0], axis=1) - 0.5
    logits = {}
    for plan in plan_fits(FOLDS, mode):
        values = response + generator.normal(size=(PATIENTS, 3))
        values[~np.isin(fold, plan.left_out)] = np.nan
        logits[plan.left_out] = values
    return Trial(fold, allowed, logits)


def spelled_out(trial: Trial) -> dict[str, np.ndarray]:
    """The nested estimate as DESIGN.md words it, patient by patient."""
    prob = {head: np.full(PATIENTS, np.nan) for head in HEADS}
    for patient in range(PATIENTS):
        i = trial.fold[patient]
        others = [other for other in range(PATIENTS) if trial.fold[other] != i]
        inner = [
            trial.logits[tuple(sorted((i, trial.fold[other])))][other].tolist() for other in others
        ]
        steeper = steeper_in_single(trial.logits, trial.fold, i)
        scaled = np.mean(inner, axis=0) + (np.array(inner) - np.mean(inner, axis=0)) / steeper
        calibrator = fit_decision(scaled, trial.allowed[others], CONFIG).calibrator
        own = trial.logits[(i,)][patient]
        for head, value in head_probabilities(calibrator.cells(own[None])).items():
            prob[head][patient] = value[0]
    return prob


@pytest.mark.parametrize("seed", range(3))
def test_every_prediction_is_the_calibrated_logit_of_the_model_without_the_fold(seed: int) -> None:
    trial = make_trial(seed)
    estimate = nested_estimate(trial.fold, trial.allowed, trial.logits, CONFIG)
    for head, expected in spelled_out(trial).items():
        np.testing.assert_allclose(estimate.probabilities[head], expected, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    patient=st.integers(0, PATIENTS - 1),
    outcome=st.sampled_from([(t, n) for t in (None, False, True) for n in (None, False, True)]),
)
def test_a_patients_label_changes_nothing_that_is_used_on_her_fold(
    seed: int, patient: int, outcome: tuple[bool | None, bool | None]
) -> None:
    trial = make_trial(seed)
    changed = trial.allowed.copy()
    changed[patient] = Outcome(yT0=outcome[0], yN0=outcome[1]).allowed_cells
    before = nested_estimate(trial.fold, trial.allowed, trial.logits, CONFIG)
    after = nested_estimate(trial.fold, changed, trial.logits, CONFIG)
    own = trial.fold == trial.fold[patient]
    for head in HEADS:
        np.testing.assert_array_equal(
            before.probabilities[head][own], after.probabilities[head][own]
        )
    decisions = [estimate.decisions[trial.fold[patient]] for estimate in (before, after)]
    assert decisions[0].calibrator == decisions[1].calibrator
    assert decisions[0].thresholds == decisions[1].thresholds
    np.testing.assert_array_equal(before.logits, after.logits)


def test_a_label_does_change_what_is_used_on_the_other_folds() -> None:
    trial = make_trial(0)
    patient = int(np.flatnonzero(trial.allowed[:, 0] & (trial.allowed.sum(axis=1) == 1))[0])
    changed = trial.allowed.copy()
    changed[patient] = np.eye(4, dtype=bool)[3]
    before = nested_estimate(trial.fold, trial.allowed, trial.logits, CONFIG)
    after = nested_estimate(trial.fold, changed, trial.logits, CONFIG)
    for fold in set(range(FOLDS)) - {int(trial.fold[patient])}:
        assert before.decisions[fold].calibrator != after.decisions[fold].calibrator


def logits_that_name_their_fit(mode: str) -> Trial:
    """ℓ₁ is the fit, ℓ₂ the patient; every fit has logits for everybody, so that none is missed."""
    trial = make_trial(1)
    number = np.arange(PATIENTS, dtype=float)
    logits = {
        plan.left_out: np.stack([np.full(PATIENTS, float(index)), number, number], axis=1)
        for index, plan in enumerate(plan_fits(FOLDS, mode))
    }
    return Trial(trial.fold, trial.allowed, logits)


def fits_behind_each_decision(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> list[dict[int, tuple[int, ...]]]:
    """For each outer fold: patient whose logits entered the decision, and the fit they are of."""
    used: list[dict[int, tuple[int, ...]]] = []
    plans = plan_fits(FOLDS, mode)
    original = nested.fit_decision

    def spy(logits, allowed, config):
        fits = {int(patient): plans[int(fit)].left_out for fit, patient, _ in logits}
        used.append(fits)
        return original(logits, allowed, config)

    monkeypatch.setattr(nested, "fit_decision", spy)
    trial = logits_that_name_their_fit(mode)
    config = CONFIG.model_copy(update={"mode": mode, "calibration": NoCalibration()})
    nested_estimate(trial.fold, trial.allowed, trial.logits, config)
    return used


def test_no_decision_rests_on_a_fit_that_saw_the_outer_fold_or_the_patient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fold = make_trial(1).fold
    for outer, fits in enumerate(fits_behind_each_decision("nested", monkeypatch)):
        assert set(fits) == set(np.flatnonzero(fold != outer))
        for patient, left_out in fits.items():
            assert outer in left_out
            assert fold[patient] in left_out


def test_crossfit_rests_on_fits_that_saw_the_outer_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = make_trial(1).fold
    for outer, fits in enumerate(fits_behind_each_decision("crossfit", monkeypatch)):
        for patient, left_out in fits.items():
            assert left_out == (fold[patient],)
            assert outer not in left_out


def test_outer_logits_are_those_of_the_one_model_that_left_the_fold_out() -> None:
    trial = logits_that_name_their_fit("nested")
    config = CONFIG.model_copy(update={"calibration": NoCalibration()})
    estimate = nested_estimate(trial.fold, trial.allowed, trial.logits, config)
    # Fits 0, 1, 2 leave out the pairs 0-1, 0-2, 1-2; fits 3, 4, 5 the folds 0, 1, 2.
    np.testing.assert_array_equal(estimate.logits[:, 0], 3.0 + trial.fold)


def test_crossfit_predicts_by_the_one_model_that_left_the_fold_out_and_differs() -> None:
    trial = make_trial(4)
    own = np.stack([trial.logits[(fold,)][index] for index, fold in enumerate(trial.fold.tolist())])
    crossfit = nested_estimate(trial.fold, trial.allowed, trial.logits, CROSSFIT)
    np.testing.assert_array_equal(crossfit.logits, own)
    proper = nested_estimate(trial.fold, trial.allowed, trial.logits, CONFIG)
    assert not np.allclose(crossfit.probabilities["yT0"], proper.probabilities["yT0"])


@pytest.mark.parametrize("kind", [CONFIG.calibration, TemperatureCalibration(), NoCalibration()])
def test_predictions_are_coherent_and_complete(kind: object) -> None:
    trial = make_trial(2)
    config = CONFIG.model_copy(update={"calibration": kind})
    estimate = nested_estimate(trial.fold, trial.allowed, trial.logits, config)
    for prob in (estimate.probabilities, estimate.uncalibrated):
        assert np.isfinite([prob[head] for head in HEADS]).all()
        assert (prob["yT0yN0"] <= prob["yT0"]).all()
        assert (prob["yT0yN0"] <= prob["yN0"]).all()
        assert (prob["yT0"] + prob["yN0"] - prob["yT0yN0"] <= 1 + 1e-12).all()


def test_the_final_decision_uses_each_patients_only_honest_final_model() -> None:
    trial = make_trial(3)
    own = np.stack([trial.logits[(fold,)][i] for i, fold in enumerate(trial.fold.tolist())])
    scaled = brought_to_scale(own, steeper_in_all(trial.logits, trial.fold))
    expected = fit_decision(scaled, trial.allowed, CONFIG)
    found = final_decision(trial.fold, trial.allowed, trial.logits, CONFIG)
    assert found.calibrator == expected.calibrator
    assert found.thresholds == expected.thresholds
    assert found.patients == int((~trial.allowed.all(axis=1)).sum())


def test_a_recorded_calibrator_gives_the_same_predictions() -> None:
    trial = make_trial(5)
    decision = final_decision(trial.fold, trial.allowed, trial.logits, CONFIG)
    assert isinstance(decision.calibrator, ChainCalibrator)
    assert calibrator_from_dict(decision.calibrator.to_dict()) == decision.calibrator


def test_there_is_no_threshold_where_one_class_alone_is_known() -> None:
    generator = np.random.default_rng(0)
    allowed = np.tile(Outcome(yN0=True).allowed_cells, (12, 1))
    allowed[:6] = Outcome(yT0=True, yN0=True).allowed_cells
    allowed[6:9] = Outcome(yT0=False, yN0=True).allowed_cells
    decision = fit_decision(generator.normal(size=(12, 3)), allowed, CONFIG)
    assert decision.thresholds["yN0"] is None
    assert decision.thresholds["yT0"] is not None


def test_a_fixed_threshold_is_taken_as_it_is() -> None:
    trial = make_trial(6)
    config = CONFIG.model_copy(update={"operating_point": NetBenefitRule(threshold=0.7)})
    decision = final_decision(trial.fold, trial.allowed, trial.logits, config)
    assert set(decision.thresholds.values()) == {0.7}
    one_class = np.tile(Outcome(yT0=True, yN0=True).allowed_cells, (12, 1))
    decision = fit_decision(np.random.default_rng(0).normal(size=(12, 3)), one_class, config)
    assert set(decision.thresholds.values()) == {0.7}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(yT0=True, yN0=True), (1, 1, 1)),
        (Outcome(yT0=True, yN0=False), (1, 0, 0)),
        (Outcome(yT0=True), (1, np.nan, np.nan)),
        (Outcome(yT0=False), (0, np.nan, 0)),
        (Outcome(yT0yN0=False), (np.nan, np.nan, 0)),
        (Outcome(yT0yN0=True), (1, 1, 1)),
        (Outcome(), (np.nan, np.nan, np.nan)),
    ],
)
def test_labels_of_the_heads_follow_from_the_cells_that_remain(
    outcome: Outcome, expected: tuple[float, float, float]
) -> None:
    allowed = np.array([outcome.allowed_cells])
    found = [head_labels(allowed, head)[0] for head in HEADS]
    np.testing.assert_array_equal(found, expected)


def noise_trial(seed: int, mode: str, n: int = 120, folds: int = 5, features: int = 30) -> Trial:
    """Ridge classifiers on features that know nothing; labels balanced, so no constant helps.

    They memorise the labels of the patients they were trained on, and a label that is high among
    those is low among the rest: the two ways in which noise comes to look like skill.
    """
    generator = np.random.default_rng(seed)
    fold = np.arange(n) % folds
    breast, nodes = (generator.permutation(np.arange(n) % 2 == 0) for _ in range(2))
    allowed = np.stack([breast & nodes, breast & ~nodes, ~breast & nodes, ~breast & ~nodes], axis=1)
    design = np.column_stack([np.ones(n), generator.normal(size=(n, features))])
    target = 2.0 * np.stack([breast, nodes, nodes], axis=1) - 1.0
    logits = {}
    for plan in plan_fits(folds, mode):
        training = ~np.isin(fold, plan.left_out)
        seen = design[training]
        weights = np.linalg.solve(seen.T @ seen + np.eye(features + 1), seen.T @ target[training])
        values = 2.0 * design @ weights
        values[training] = np.nan
        logits[plan.left_out] = values
    return Trial(fold, allowed, logits)


def concordance(prob: np.ndarray, label: np.ndarray, fold: np.ndarray) -> float:
    """AUC of pairs within a fold; pooled over folds it is biased low on noise."""
    good = total = 0.0
    for own in np.unique(fold):
        positive, negative = (prob[(fold == own) & (label == value)] for value in (1, 0))
        good += (np.sign(positive[:, None] - negative).sum() + positive.size * negative.size) / 2
        total += positive.size * negative.size
    return good / total


def noise_results(mode: str, repeats: int) -> np.ndarray:
    """AUC(yT0), AUC(yT0yN0), and sensitivity + specificity − 1 of yT0; one row a repeat."""
    rule = SensitivityRule(target=0.9)
    config = EvaluationConfig(folds=5, mode=mode, operating_point=rule)
    rows = []
    for seed in range(repeats):
        trial = noise_trial(seed, mode)
        estimate = nested_estimate(trial.fold, trial.allowed, trial.logits, config)
        breast, both = (head_labels(trial.allowed, head) for head in ("yT0", "yT0yN0"))
        threshold = np.array([estimate.decisions[k].thresholds["yT0"] for k in trial.fold])
        called = estimate.probabilities["yT0"] > threshold
        rows.append(
            (
                concordance(estimate.probabilities["yT0"], breast, trial.fold),
                concordance(estimate.probabilities["yT0yN0"], both, trial.fold),
                called[breast == 1].mean() - called[breast == 0].mean(),
            )
        )
    return np.array(rows)


@pytest.mark.slow
def test_noise_gives_auc_one_half_and_no_skill_at_the_locked_threshold() -> None:
    """60 trials of 120 patients whose features know nothing; three standard errors allowed."""
    results = noise_results("nested", repeats=60)
    error = results.std(axis=0, ddof=1) / np.sqrt(len(results))
    assert (error < 0.01).all()
    np.testing.assert_array_less(np.abs(results.mean(axis=0) - [0.5, 0.5, 0.0]), 3 * error)
