"""The quantitative rival adds what was measured to what the clinical one knows."""

from pcrnet.models.rivals.clinical import KIND as CLINICAL
from pcrnet.models.rivals.clinical import ClinicalConfig
from pcrnet.models.rivals.quantitative import KIND, QuantitativeConfig
from pcrnet.models.rivals.tabular import modelled


def test_it_rests_on_every_quantity_that_is_meant_for_a_model(
    fit_request, trial_patients, trial_data, trial_imaging
):
    model = KIND.fit(QuantitativeConfig(), fit_request(trial_patients(24)))
    assert model.describe()["quantities"] == len(modelled(trial_data, trial_imaging)) > 20
    assert model.needs().quantities
    assert KIND.rests_on_scans
    assert not KIND.trains


def test_where_quantities_tell_the_outcome_it_ranks_better_than_covariates(
    fit_request, trial_patients, scans
):
    request, others = fit_request(trial_patients(48)), trial_patients(40, first=60)
    known = [patient for patient in others if patient.outcome.yT0 is not None]
    gaps = []
    for kind, config in ((KIND, QuantitativeConfig()), (CLINICAL, ClinicalConfig())):
        logits = kind.fit(config, request).logits(known, scans())[:, 0]
        responds = [bool(patient.outcome.yT0) for patient in known]
        pairs = [
            (one, other)
            for one, up in zip(logits, responds, strict=True) if up
            for other, down in zip(logits, responds, strict=True) if not down
        ]  # fmt: skip
        gaps.append(sum(one > other for one, other in pairs) / len(pairs))
    assert gaps[0] > max(0.8, gaps[1] + 0.1)
