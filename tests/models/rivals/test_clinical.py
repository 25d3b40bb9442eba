"""The clinical rival looks at covariates and at nothing else."""

import numpy as np

from pcrnet.models.rivals.clinical import KIND, ClinicalConfig


def test_it_never_asks_for_a_scan(fit_request, trial_patients):
    class NoScans:
        def get(self, patient):
            raise AssertionError("a clinical model looked at a scan")

    request = fit_request(trial_patients(24), source=NoScans())
    model = KIND.fit(ClinicalConfig(), request)
    assert np.isfinite(model.logits(request.patients, NoScans())).all()
    assert not model.needs().scans
    assert not model.needs().quantities
    assert [covariate.name for covariate in model.needs().covariates] == ["age", "grade"]
    assert not KIND.rests_on_scans
    assert not KIND.trains
