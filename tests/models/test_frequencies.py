"""The model that knows nothing of a patient."""

import dataclasses
import json

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.errors import IntegrityError
from pcrnet.models.frequencies import RECORD_FILE, Frequencies


def test_the_logits_are_the_log_odds_with_half_a_patient_in_each_cell(fit_request, trial_patients):
    outcomes = [Outcome(True, True)] * 5 + [Outcome(False, True)] * 2
    outcomes += [Outcome(yT0=True), Outcome()]
    patients = [
        dataclasses.replace(patient, outcome=outcome)
        for patient, outcome in zip(trial_patients(9), outcomes, strict=True)
    ]
    found = Frequencies.fit(fit_request(patients)).logits(patients, None)
    expected = np.log([(5.5 + 0.5) / (2.5 + 0.5), 5.5 / 0.5, 2.5 / 0.5])
    np.testing.assert_allclose(found, np.tile(expected, (9, 1)))


def test_nobody_gives_even_odds(fit_request):
    assert Frequencies.fit(fit_request(())).values == (0.0, 0.0, 0.0)


def test_it_is_read_back_or_refused(tmp_path):
    model = Frequencies((0.1, -2.0, 1 / 3))
    model.write(tmp_path)
    assert Frequencies.read(tmp_path) == model
    for logits in ([1.0, 2.0], [1.0, 2.0, "x"], None, [1, 2, 3, 4]):
        (tmp_path / RECORD_FILE).write_text(json.dumps({"logits": logits}))
        with pytest.raises(IntegrityError):
            Frequencies.read(tmp_path)
