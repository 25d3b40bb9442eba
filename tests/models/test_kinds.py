"""Which kinds of models there are, and that settings choose among them."""

import numpy as np

from pcrnet.config.model import RIVALS, SETTINGS, NetworkConfig
from pcrnet.models.kinds import KINDS, fit_model, read_model
from pcrnet.models.network_model import NetworkModel
from pcrnet.models.rivals.clinical import ClinicalConfig
from pcrnet.models.rivals.tabular import TabularModel


def test_the_network_and_every_rival_are_kinds_with_the_settings_of_their_name():
    assert set(KINDS) == {"network", *RIVALS} == set(SETTINGS)
    for name, kind in KINDS.items():
        assert kind.settings is SETTINGS[name]
        assert kind.settings().kind == name


def test_the_settings_choose_what_is_fitted_and_read(
    fit_request, trial_patients, scans, trial_data, trial_imaging, tmp_path
):
    request = fit_request(trial_patients(16))
    network = NetworkConfig(networks=1, width=8, start="frequencies")
    for config, expected in ((network, NetworkModel), (ClinicalConfig(), TabularModel)):
        model = fit_model(config, request)
        assert isinstance(model, expected)
        model.write(tmp_path / config.kind)
        again = read_model(tmp_path / config.kind, config, trial_data, trial_imaging)
        assert isinstance(again, expected)
        np.testing.assert_array_equal(
            again.logits(request.patients, scans()), model.logits(request.patients, scans())
        )


def test_a_kind_that_trains_builds_the_network_that_it_trains():
    assert [name for name, kind in KINDS.items() if kind.trains] == ["network", "monai"]
