"""From patients to the features of a ridge, and cross-fitting without a patient's own part."""

import dataclasses

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.errors import IntegrityError
from pcrnet.models.rivals.chain import RidgeChain
from pcrnet.models.rivals.tabular import ARRAYS_FILE, RECORD_FILE, TabularModel, _table, modelled


@pytest.fixture
def model(fit_request, trial_patients):
    return TabularModel.fit(fit_request(trial_patients(40)), quantities=True)


def test_only_quantities_that_are_meant_for_a_model_enter(model, trial_data, trial_imaging):
    assert model.specs == modelled(trial_data, trial_imaging)
    assert all(spec.modelled for spec in model.specs)
    assert "baseline.days" not in {spec.name for spec in model.specs}


@pytest.mark.parametrize(
    ("hidden", "gone", "left"),
    [
        ([[0, 0, 0], [1, 1, 1]], ("interim.", "interim_vs_"), ("baseline.", "lesion.")),
        ([[1, 1, 1], [0, 0, 0]], ("baseline.", "lesion.", "interim_vs_"), ("interim.",)),
        ([[1, 0, 0], [1, 0, 0]], ("baseline.pet", "interim.pet"), ("lesion.", "interim.days")),
    ],
    ids=["interim", "baseline", "pet"],
)
def test_what_rests_on_hidden_scans_is_unknown(
    model, trial_patients, scans, trial_data, hidden, gone, left
):
    shown = ~np.array(hidden, bool)
    (patient,) = trial_patients(1, first=40)
    full, table = (
        _table([patient], scans(), trial_data, model.specs, model.encoding, of)[0]
        for of in (None, shown)
    )
    for spec, before, after in zip(model.specs, full, table, strict=False):
        if spec.name.startswith(gone):
            assert np.isnan(after), spec.name
        elif spec.name.startswith(left):
            np.testing.assert_equal(after, before, err_msg=spec.name)
    clinical = slice(len(model.specs), None)
    np.testing.assert_array_equal(table[clinical], full[clinical])


def test_an_unknown_covariate_is_unknown_in_all_its_features(model, trial_patients, scans):
    (patient,) = trial_patients(1)
    nobody = dataclasses.replace(patient, covariates={"age": None, "grade": "never heard of"})
    table = _table([nobody], scans(), model.data, model.specs, model.encoding, None)
    assert np.isnan(table[0, len(model.specs) :]).all()


def test_a_clinical_model_never_asks_for_a_scan(fit_request, trial_patients):
    request = fit_request(trial_patients(24), source=None)
    model = TabularModel.fit(request, quantities=False)
    assert model.logits(trial_patients(3), None).shape == (3, 3)


def test_cross_fitting_keeps_a_patient_out_of_the_patients_own_logits(model, trial_patients, scans):
    """With the penalties given, which rest on everybody, the own part's labels change nothing."""
    patients = trial_patients(40)
    folds = np.arange(40) % 5
    before = model.crossfit(patients, scans(), folds)
    for own in range(5):
        flipped = [
            dataclasses.replace(
                patient, outcome=Outcome(not patient.outcome.yT0, patient.outcome.yN0).closed
            )
            if fold == own
            else patient
            for patient, fold in zip(patients, folds, strict=True)
        ]
        after = model.crossfit(flipped, scans(), folds)
        np.testing.assert_array_equal(after[folds == own], before[folds == own])
        assert np.abs(after[folds != own] - before[folds != own]).max() > 1e-6


def test_cross_fitting_is_the_same_chain_on_the_others(model, trial_patients, scans):
    patients = trial_patients(40)
    folds = np.arange(40) % 4
    features = model.features(patients, scans())
    allowed = np.array([patient.outcome.allowed_cells for patient in patients])
    others = RidgeChain.refit(model.chain, features[folds != 1], allowed[folds != 1])
    found = model.crossfit(patients, scans(), folds)
    np.testing.assert_array_equal(found[folds == 1], others.logits(features[folds == 1]))


def test_numbers_of_single_precision_or_no_spread_are_refused(
    model, tmp_path, trial_data, trial_imaging
):
    from safetensors.numpy import load_file, save_file

    model.write(tmp_path)
    sound = load_file(tmp_path / ARRAYS_FILE)
    for name, values in (
        ("breast", sound["breast"].astype(np.float32)),
        ("spread", np.zeros_like(sound["spread"])),
    ):
        save_file({**sound, name: values}, tmp_path / ARRAYS_FILE)
        with pytest.raises(IntegrityError, match=name):
            TabularModel.read(tmp_path, trial_data, trial_imaging)
    assert (tmp_path / RECORD_FILE).is_file()
