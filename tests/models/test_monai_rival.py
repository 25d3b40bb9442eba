"""MONAI's classifiers as a rival: no covariate plays a part, and one network is trained."""

import dataclasses

from pcrnet.models.contract import Needs
from pcrnet.models.monai_network import MonaiNetwork
from pcrnet.models.monai_rival import KIND, MonaiConfig

_SMALL = MonaiConfig(backbone="resnet10", features=4)


def test_one_network_is_trained_on_scans_alone(fit_request, trial_patients):
    trained = []
    request = fit_request(trial_patients(12))

    def optimise(part):
        trained.append((type(part.network), len(part.patients), part.encoding.covariates))
        request.optimise(part)

    model = KIND.fit(_SMALL, dataclasses.replace(request, optimise=optimise))
    assert trained == [(MonaiNetwork, 12, ())]
    assert model.needs() == Needs(scans=True, quantities=False, covariates=())


def test_it_is_declared_to_have_no_deterministic_gradient_on_a_gpu():
    assert not KIND.deterministic
    assert KIND.trains
