"""What every kind of model keeps to. A kind that is added to the registry is examined here, too."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.config.model import SETTINGS, ConcatFusionConfig, NetworkConfig
from pcrnet.data.clinical import CategoricalEncoding, NumericEncoding
from pcrnet.errors import IntegrityError
from pcrnet.models.contract import Needs
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.models.kinds import KINDS, fit_model, read_model
from pcrnet.models.monai_rival import MonaiConfig

_NETWORK = NetworkConfig(
    width=8,
    networks=1,
    encoder=ResNetConfig(stem_width=4, widths=(8,), blocks=(0,)),
    fusion=ConcatFusionConfig(hidden=8),
)
_SMALL = {
    "network": (_NETWORK, _NETWORK.model_copy(update={"networks": 2, "start": "frequencies"})),
    "monai": (MonaiConfig(backbone="resnet10", features=4),),
}
"""Small settings of what is large by default, such that what is learned is kept."""
EXAMINED = {
    f"{name}-{number}": config
    for name in KINDS
    for number, config in enumerate(_SMALL.get(name, (SETTINGS[name](),)))
}
"""Settings of every kind that is registered; without small ones, its defaults."""


@pytest.fixture(scope="module", params=EXAMINED.values(), ids=EXAMINED)
def config(request):
    return request.param


@pytest.fixture(scope="module")
def model(config, fit_request, trial_patients):
    return fit_model(config, fit_request(trial_patients(32)))


@pytest.fixture(scope="module")
def others(trial_patients):
    return trial_patients(6, first=40)


@pytest.fixture
def written(model, tmp_path):
    model.write(tmp_path / "model")
    return tmp_path / "model"


def _files(folder):
    return {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}


def _tensors(folder):
    return [path for path in _files(folder).values() if path.suffix == ".safetensors"]


def test_three_finite_logits_a_patient(model, others, scans):
    logits = model.logits(others, scans())
    assert logits.shape == (6, 3)
    assert logits.dtype == np.float64
    assert np.isfinite(logits).all()
    assert np.ptp(logits, axis=0).min() > 1e-4, "a model that says one thing shows nothing here"
    assert model.logits([], scans()).shape == (0, 3)


def test_neither_order_nor_company_changes_a_patients_logits(model, others, scans):
    together = model.logits(others, scans())
    backwards = model.logits(others[::-1], scans())[::-1]
    alone = np.concatenate([model.logits([patient], scans()) for patient in others])
    crowd = model.logits(others * 4, scans())[-6:]
    for found in (backwards, alone, crowd):
        np.testing.assert_allclose(found, together, rtol=0, atol=1e-5)


def test_the_outcome_of_who_is_predicted_plays_no_part(model, others, scans):
    cured = [dataclasses.replace(patient, outcome=Outcome(True, True)) for patient in others]
    np.testing.assert_array_equal(model.logits(cured, scans()), model.logits(others, scans()))


def test_absent_scans_are_never_looked_at(model, others, scans):
    spoiled = scans(spoiled=np.zeros((2, 3), bool))
    np.testing.assert_array_equal(model.logits(others, spoiled), model.logits(others, scans()))


HIDDEN = {
    "a channel": [[1, 0, 0], [1, 0, 0]],
    "a branch": [[0, 1, 1], [0, 1, 1]],
    "the first visit": [[1, 1, 1], [0, 0, 0]],
    "the later visit": [[0, 0, 0], [1, 1, 1]],
    "everything": [[1, 1, 1], [1, 1, 1]],
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_what_is_hidden_is_as_if_it_were_not_acquired(model, others, scans, hidden):
    hidden = np.array(hidden, bool)
    found = model.logits(others, scans(), shown=~hidden)
    np.testing.assert_array_equal(found, model.logits(others, scans(hidden=hidden)))
    np.testing.assert_array_equal(found, model.logits(others, scans(spoiled=hidden), shown=~hidden))
    needs = model.needs()
    changes = np.abs(found - model.logits(others, scans())).max() > 1e-6
    assert changes == (needs.scans or needs.quantities)


def test_what_is_not_needed_is_not_used(model, others, scans):
    needs = model.needs()
    assert type(needs) is Needs
    assert type(needs.scans) is type(needs.quantities) is bool
    assert all(isinstance(c, NumericEncoding | CategoricalEncoding) for c in needs.covariates)

    class Other:
        def get(self, patient):
            tensor = scans().get(patient)
            image = tensor.image if needs.scans else np.full_like(tensor.image, math.nan)
            known = tensor.quantities if needs.quantities else None
            return dataclasses.replace(tensor, image=image, quantities=known)

    names = {covariate.name for covariate in needs.covariates}
    strangers = [
        dataclasses.replace(patient, covariates={name: patient.covariates[name] for name in names})
        for patient in others
    ]
    expected = model.logits(others, scans())
    np.testing.assert_array_equal(model.logits(strangers, Other()), expected)
    nothing_known = [
        dataclasses.replace(patient, covariates=dict.fromkeys(names)) for patient in others
    ]
    moved = np.abs(model.logits(nothing_known, scans()) - expected).max() > 1e-6
    assert moved == bool(names)


def test_what_it_says_of_itself_is_plain_data(model):
    facts = dict(model.describe())
    assert facts
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_same_seed_gives_the_same_bytes(config, written, fit_request, trial_patients, tmp_path):
    torch.rand(13)  # what ran before must not matter
    np.random.default_rng().normal()
    fit_model(config, fit_request(trial_patients(32))).write(tmp_path / "again")
    again = _files(tmp_path / "again")
    assert again.keys() == _files(written).keys()
    for name, path in _files(written).items():
        assert path.read_bytes() == again[name].read_bytes(), name


def test_what_is_read_back_is_the_same_model(
    config, model, written, others, scans, trial_data, trial_imaging, tmp_path
):
    again = read_model(written, config, trial_data, trial_imaging)
    np.testing.assert_array_equal(again.logits(others, scans()), model.logits(others, scans()))
    assert again.needs() == model.needs()
    assert dict(again.describe()) == dict(model.describe())
    again.write(tmp_path / "again")
    for name, path in _files(written).items():
        assert path.read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_files_are_plain_tensors_and_json(written):
    assert {path.suffix for path in _files(written).values()} <= {".json", ".safetensors"}
    for path in _tensors(written):
        load_file(path)


@pytest.mark.parametrize("damage", ["half", "empty", "missing", "other"])
def test_a_damaged_file_is_refused_by_name(config, written, trial_data, trial_imaging, damage):
    for path in _files(written).values():
        data = path.read_bytes()
        match damage:
            case "half":
                path.write_bytes(data[: len(data) // 2])
            case "empty":
                path.write_bytes(b"")
            case "missing":
                path.unlink()
            case _:
                path.write_text('{"of": "something else"}')
        with pytest.raises(IntegrityError) as caught:
            read_model(written, config, trial_data, trial_imaging)
        assert caught.value.file == str(path)
        path.write_bytes(data)
    read_model(written, config, trial_data, trial_imaging)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused(config, written, trial_data, trial_imaging, value):
    for path in _tensors(written):
        state = load_file(path)
        names = [name for name, tensor in state.items() if tensor.is_floating_point()]
        for name in names[:: max(1, len(names) // 8)]:
            if name == "spread" and value == math.inf:
                continue  # a quantity that says nothing is infinitely spread
            broken = {**state, name: state[name].clone()}
            broken[name].view(-1)[-1] = value
            save_file(broken, path)
            with pytest.raises(IntegrityError, match=name):
                read_model(written, config, trial_data, trial_imaging)
        save_file(state, path)


def test_settings_of_another_size_are_refused(
    config, model, written, others, scans, trial_data, trial_imaging
):
    one_visit = trial_data.model_copy(update={"timepoints": ("baseline",)})
    needs = model.needs()
    if needs.scans or needs.quantities:
        with pytest.raises(IntegrityError) as caught:
            read_model(written, config, one_visit, trial_imaging)
        assert caught.value.remedy
    else:
        again = read_model(written, config, one_visit, trial_imaging)
        np.testing.assert_array_equal(again.logits(others, scans()), model.logits(others, scans()))


def test_a_quantity_that_nobody_measures_is_refused(
    config, model, written, trial_data, trial_imaging
):
    if not model.needs().quantities:
        pytest.skip("it rests on no quantity")
    for path in written.rglob("ridge.json"):
        record = json.loads(path.read_text())
        record["quantities"][0] = "baseline.pet.charm_1"
        path.write_text(json.dumps(record))
        with pytest.raises(IntegrityError, match=r"baseline\.pet\.charm_1"):
            read_model(written, config, trial_data, trial_imaging)


OUTCOMES = {
    "residue has free nodes only": lambda i: Outcome(*CELLS[i % 3]),
    "one cell": lambda i: Outcome(True, False),
    "nobody known whole": lambda i: (Outcome(yT0=i % 2 == 0), Outcome(yN0=i % 4 == 1))[i % 2],
    "almost nobody known": lambda i: Outcome(*CELLS[i]) if i < 4 else Outcome(),
}


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_twelve_patients_of_whatever_outcome_make_a_model(
    config, fit_request, trial_patients, others, scans, outcome
):
    few = [
        dataclasses.replace(patient, outcome=outcome(i).closed)
        for i, patient in enumerate(trial_patients(12))
    ]
    logits = fit_model(config, fit_request(few)).logits(others, scans())
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() < 15.0


@pytest.mark.parametrize("covariates", [(), ("grade",)])
def test_few_covariates_or_none_make_a_model(
    config, fit_request, trial_patients, others, scans, covariates
):
    request = fit_request(trial_patients(12), covariates=covariates)
    assert np.isfinite(fit_model(config, request).logits(others, scans())).all()
