"""Networks that correct a start: how much of them is kept, and what they are trained against."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from pcrnet.cohort.outcome import Outcome
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.models.frequencies import Frequencies
from pcrnet.models.network_model import NetworkModel, _parts, network_logits
from pcrnet.models.rivals.tabular import TabularModel


class Constant(nn.Module):
    """The same correction for everybody, or one that follows from the scans."""

    def __init__(self, encoding):
        super().__init__()
        self.linear = nn.Linear(1, 3, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, image, present, days, covariates, covariate_present):
        return self.linear(image[:, 0, 0].flatten(1).mean(dim=1, keepdim=True).float() - 2.25)


class Recorder:
    """Instead of training: notes what it is given, and sets the weights."""

    def __init__(self, weight=0.0):
        self.weight = weight
        self.calls = []

    def __call__(self, part):
        self.calls.append((part.name, tuple(part.patients), part.offset))
        nn.init.constant_(part.network.linear.weight, self.weight)


@pytest.fixture
def fit(fit_request, trial_patients):
    def fit(optimise, *, n=40, networks=3, corrects=True, patients=None, promise=0.0):
        request = fit_request(patients or trial_patients(n), optimise=optimise)
        model = NetworkModel.fit(
            request, Constant, networks=networks, corrects=corrects, promise=promise
        )
        return model, request

    return fit


@pytest.fixture
def told_by_their_scans(trial_patients):
    return [
        dataclasses.replace(patient, outcome=Outcome(i % 4 < 2, i % 4 < 2).closed)
        for i, patient in enumerate(trial_patients(60))
    ]


def test_a_correction_that_hurts_is_dropped_and_the_model_is_its_start(
    fit, trial_patients, scans, tmp_path
):
    model, request = fit(Recorder(weight=-20.0))
    np.testing.assert_array_equal(model.factors, 0.0)
    assert model.networks == ()
    others = trial_patients(8, first=60)
    start = TabularModel.fit(request, quantities=True)
    np.testing.assert_allclose(
        model.logits(others, scans()), start.logits(others, scans()), rtol=0, atol=1e-6
    )
    assert model.needs() == start.needs()
    model.write(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_correction_that_helps_is_kept_and_added_by_its_factor(
    fit, told_by_their_scans, trial_patients, scans
):
    model, _ = fit(Recorder(weight=8.0), patients=told_by_their_scans)
    assert model.factors[0] > 0
    assert len(model.networks) == 3
    others = trial_patients(5, first=80)
    means = np.array([scans().get(patient).image[0, 0].astype(float).mean() for patient in others])
    expected = model.start.logits(others, scans()) + model.factors * 8.0 * (means[:, None] - 2.25)
    np.testing.assert_allclose(model.logits(others, scans()), expected, atol=0.02)  # float16


def test_every_network_leaves_out_its_own_part_and_all_leave_out_everybody_once(fit):
    recorder = Recorder()
    _, request = fit(recorder)
    names = [patient.patient_id for patient in request.patients]
    left_out = [set(names) - {p.patient_id for p in call[1]} for call in recorder.calls]
    assert sorted(name for left in left_out for name in left) == names
    assert [call[0] for call in recorder.calls] == ["network-0", "network-1", "network-2"]


def test_networks_that_gain_nothing_are_the_last_of_their_fit(fit, trial_patients, scans):
    """One is trained; the model is the one that trains all three and keeps none of them."""
    asked = Recorder(weight=-20.0)
    model, _ = fit(asked, promise=1.0)
    assert [call[0] for call in asked.calls] == ["network-0"]
    assert (model.tried, model.networks) == (1, ())
    whole, _ = fit(Recorder(weight=-20.0), promise=0.0)
    assert (whole.tried, whole.networks) == (3, ())
    others = trial_patients(4, first=60)
    np.testing.assert_array_equal(model.logits(others, scans()), whole.logits(others, scans()))


def test_networks_that_gain_are_all_trained_and_equal_those_that_nobody_asked(
    fit, told_by_their_scans
):
    model, _ = fit(Recorder(weight=8.0), patients=told_by_their_scans, promise=1.0)
    unasked, _ = fit(Recorder(weight=8.0), patients=told_by_their_scans, promise=0.0)
    assert len(model.networks) == model.tried == 3
    np.testing.assert_array_equal(model.factors, unasked.factors)


def test_whether_to_go_on_is_asked_of_patients_that_were_left_out_and_of_no_other(fit, monkeypatch):
    asked = []

    def note(start, added, allowed, share, bar):
        asked.append((len(start), np.isfinite(start).all(), share, bar))
        return True

    monkeypatch.setattr("pcrnet.models.network_model.is_promising", note)
    fit(Recorder(), n=42, promise=0.7)
    assert asked == [(14, True, 1 / 3, 0.7), (28, True, 2 / 3, 0.7)]


def test_without_a_start_no_network_is_given_up(fit):
    model, _ = fit(Recorder(weight=-20.0), corrects=False, promise=5.0)
    assert len(model.networks) == 3


def test_one_network_learns_from_everybody_and_is_kept_whole(fit):
    recorder = Recorder()
    model, request = fit(recorder, networks=1)
    ((part, patients, _),) = recorder.calls
    assert (part, patients) == ("network", request.patients)
    np.testing.assert_array_equal(model.factors, 1.0)
    assert len(model.networks) == 1


@pytest.mark.parametrize("networks", [1, 3])
def test_networks_are_trained_against_what_a_start_says_of_those_it_has_not_seen(
    fit, trial_patients, monkeypatch, networks
):
    """No patient's label is in the chain that gives the patient's own offset."""
    seen = []
    refit = TabularModel.crossfit

    def crossfit(model, patients, source, folds):
        logits = refit(model, patients, source, folds)
        for own in (0, 3):
            flipped = [
                dataclasses.replace(patient, outcome=Outcome()) if fold == own else patient
                for patient, fold in zip(patients, folds, strict=True)
            ]
            again = refit(model, flipped, source, folds)
            np.testing.assert_array_equal(again[folds == own], logits[folds == own])
        seen.append(logits)
        return logits

    monkeypatch.setattr(TabularModel, "crossfit", crossfit)
    recorder = Recorder()
    model, request = fit(recorder, networks=networks, n=24)
    assert len(seen) == networks
    for (_, _, offset), logits in zip(recorder.calls, seen, strict=True):
        np.testing.assert_array_equal(offset, logits)
    in_sample = model.start.logits(request.patients, request.source)
    assert networks > 1 or np.abs(recorder.calls[0][2] - in_sample).max() > 1e-3


def test_without_a_start_networks_correct_the_frequencies_and_are_all_kept(fit):
    recorder = Recorder(weight=-3.0)
    model, request = fit(recorder, corrects=False, networks=2)
    assert isinstance(model.start, Frequencies)
    np.testing.assert_array_equal(model.factors, 1.0)
    learned = dataclasses.replace(request, patients=recorder.calls[0][1])
    np.testing.assert_array_equal(recorder.calls[0][2][0], Frequencies.fit(learned).values)


def test_parts_hold_equal_shares_of_every_outcome(fit_request, trial_patients):
    request = fit_request(trial_patients(96))
    parts = _parts(request, 3)
    cells = np.array([str(patient.outcome) for patient in request.patients])
    for cell in set(cells):
        counts = np.bincount(parts[cells == cell], minlength=3)
        assert np.ptp(counts) <= 1, cell
    again = _parts(dataclasses.replace(request, name="without-1"), 3)
    assert (parts != again).any()


def test_the_first_weights_of_a_network_follow_from_seed_fit_and_part(fit_request, trial_patients):
    def initial(**changes):
        found = []

        def note(part):
            found.append(part.network.weight.detach().clone())

        request = fit_request(trial_patients(24), optimise=note, **changes)
        build = partial(lambda encoding: _Linear())
        NetworkModel.fit(request, build, networks=2, corrects=False, promise=0.0)
        return torch.stack(found)

    first = initial()
    assert torch.equal(first, initial())
    assert not torch.equal(first[0], first[1])
    for changes in ({"seed": 4}, {"name": "without-1"}):
        assert not torch.equal(first, initial(**changes))


def test_predictions_are_in_whole_float32_whatever_the_process_allows(trial_patients, scans):
    """cuDNN convolves in TF32 unless it is told not to: devices would differ by a thousandth."""
    asked = []

    class Asking(Constant):
        def forward(self, *inputs):
            asked.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
            return super().forward(*inputs)

    encoding = ClinicalEncoding.fit(trial_patients(2), ())
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        network_logits(Asking(encoding), encoding, trial_patients(2), scans())
        after = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
    assert asked == [(False, False)]
    assert after == (True, True)


class _Linear(nn.Linear):
    def __init__(self):
        super().__init__(1, 3)

    def forward(self, image, *others):
        return super().forward(image.new_zeros(len(image), 1).float())
