"""A fit taken apart for a trainer of one's own is the fit that the run would train."""

from __future__ import annotations

import pytest
import torch

from pcrnet.errors import ConfigError
from pcrnet.training.fit import partition
from pcrnet.training.parts import module_and_data
from pcrnet.training.plan import FitPlan


def test_the_network_is_the_one_that_the_fit_would_begin_with(make_job, monkeypatch) -> None:
    from pcrnet.training.fit import run_fit
    from pcrnet.training.lightning.loop import TrainingLoop

    job, plan = make_job(), FitPlan((1,))
    begun = {}

    def look(self, part):
        begun.update({name: value.clone() for name, value in part.network.state_dict().items()})
        begun["offset"] = torch.from_numpy(part.offset)

    monkeypatch.setattr(TrainingLoop, "__call__", look)
    run_fit(plan, job)
    module, data = module_and_data(plan, job, validation=0)
    assert data.validation is None
    torch.testing.assert_close(
        data.training._offset.double(), begun.pop("offset"), rtol=1e-6, atol=0
    )
    for name, value in module.network.state_dict().items():
        assert torch.equal(value, begun[name])


@pytest.mark.parametrize("kind", ["network", "monai"])
def test_patients_are_parted_and_those_left_out_are_tested_on(make_job, kind: str) -> None:
    overrides = ["model={kind: monai, backbone: resnet10}"] if kind == "monai" else []
    job, plan = make_job(*overrides), FitPlan((1,))
    module, data = module_and_data(plan, job, validation=0.25)
    learning, left_out = partition(plan, job)
    assert data.test.patients == tuple(left_out)
    watched = {patient.patient_id for patient in data.validation.patients}
    trained_on = {patient.patient_id for patient in data.training.patients}
    assert watched | trained_on == {patient.patient_id for patient in learning}
    assert not watched & trained_on
    batch = next(iter(data.predict_dataloader()))
    assert module.eval().predict_step(batch, 0).probability.shape == (len(batch.patient), 3)


def test_probabilities_are_those_of_the_three_logits(make_job) -> None:
    module, data = module_and_data(FitPlan((0,)), make_job(), validation=0)
    batch = data.test.__getitems__([0, 1, 2])
    said = module.eval().predict_step(batch, 0)
    first, second, third = torch.sigmoid(said.logits).unbind(dim=1)
    torch.testing.assert_close(said.probability[:, 0], first)
    torch.testing.assert_close(said.probability[:, 1], first * second + (1 - first) * third)
    torch.testing.assert_close(said.probability[:, 2], first * second)


def test_a_model_without_a_network_is_refused(make_job) -> None:
    job = make_job("model.kind=quantitative")
    with pytest.raises(ConfigError, match="trains no network"):
        module_and_data(FitPlan((0,)), job)
