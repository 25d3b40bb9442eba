"""What stands beside the weights of networks: read back equal, damaged it is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pcrnet.data.clinical import CategoricalEncoding, ClinicalEncoding, NumericEncoding
from pcrnet.errors import IntegrityError
from pcrnet.models.frequencies import Frequencies
from pcrnet.models.network_record import (
    RECORD_FILE,
    START_FOLDER,
    NetworkRecord,
    read_start,
    read_without_weights,
)

ENCODING = ClinicalEncoding((NumericEncoding("age", 51.5, 9.25),))


@pytest.fixture
def record():
    return NetworkRecord(
        np.array([0.25, 0.0, 1.0]),
        (ENCODING, ClinicalEncoding((CategoricalEncoding("grade", ("1", "3")),))),
        tried=3,
        pretrained={"mri": {"sha256": "ab" * 32, "share": 0.75}},
    )


def change(path, **fields):
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | fields))


def test_it_is_read_back_equal(record, tmp_path):
    record.write(tmp_path)
    found = NetworkRecord.read(tmp_path)
    np.testing.assert_array_equal(found.factors, record.factors)
    assert found.encodings == record.encodings
    assert found.tried == 3
    assert found.pretrained == record.pretrained


def test_a_record_from_before_networks_were_given_up_tried_those_that_it_holds(record, tmp_path):
    record.write(tmp_path)
    path = tmp_path / RECORD_FILE
    held = json.loads(path.read_text())
    del held["tried"], held["pretrained"]
    path.write_text(json.dumps(held))
    found = NetworkRecord.read(tmp_path)
    assert found.tried == 2
    assert found.pretrained == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"factors": [0.5, 0.5]},
        {"factors": [0.5, 0.5, 1.01]},
        {"factors": [-0.1, 0.5, 0.5]},
        {"factors": ["a", 0.5, 0.5]},
        {"factors": None},
        {"encodings": [[{"kind": "numeric"}]]},
        {"encodings": 3},
        {"tried": "many"},
        {"pretrained": {"mri": 3}},
    ],
)
def test_a_damaged_record_is_refused(record, tmp_path, fields):
    record.write(tmp_path)
    change(tmp_path / RECORD_FILE, **fields)
    with pytest.raises(IntegrityError) as caught:
        NetworkRecord.read(tmp_path)
    assert caught.value.file == str(tmp_path / RECORD_FILE)


def test_the_start_is_what_was_written(trial_data, trial_imaging, tmp_path):
    start = Frequencies((0.1, -2.0, 0.5))
    start.write(tmp_path / START_FOLDER)
    assert read_start(tmp_path, trial_data, trial_imaging, corrects=False) == start
    with pytest.raises(IntegrityError):
        read_start(tmp_path, trial_data, trial_imaging, corrects=True)


def test_all_but_the_weights_is_read_without_them_and_tells_which_start(
    record, trial_data, trial_imaging, tmp_path
):
    Frequencies((0.1, -2.0, 0.5)).write(tmp_path / START_FOLDER)
    record.write(tmp_path)
    start, found = read_without_weights(tmp_path, trial_data, trial_imaging)
    assert start == Frequencies((0.1, -2.0, 0.5))
    assert found.encodings == record.encodings


def test_a_model_without_networks_is_its_own_start(
    fit_request, trial_patients, trial_data, trial_imaging, tmp_path
):
    from pcrnet.models.rivals.tabular import TabularModel

    request = fit_request(trial_patients(24))
    from pcrnet.models.network_model import _fit_start

    model = _fit_start(request, corrects=True)
    assert isinstance(model, TabularModel)
    model.write(tmp_path)
    start, found = read_without_weights(tmp_path, trial_data, trial_imaging)
    patients = trial_patients(6)
    np.testing.assert_array_equal(
        start.logits(patients, request.source), model.logits(patients, request.source)
    )
    assert found.encodings == ()
    assert found.factors.tolist() == [0.0, 0.0, 0.0]


def test_reading_it_loads_no_torch():
    program = "import sys, pcrnet.models.network_record; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
