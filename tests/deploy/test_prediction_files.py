"""Tables of predictions and the record beside them."""

import hashlib
import json
import math
from pathlib import Path

import pytest

from pcrnet.deploy.prediction_files import check_destination, write_record, write_table
from pcrnet.errors import OutputError
from pcrnet.evaluation.tables.predictions import read_predictions

_CSV = """patient_id,yT0,yN0,yT0yN0,prob_yT0,prob_yN0,prob_yT0yN0
P1,1,0,0,0.7,0.6,0.5
P2,,,,0.2,0.4,0.1
"""


@pytest.fixture
def predictions(tmp_path):
    (tmp_path / "source.csv").write_text(_CSV)
    return read_predictions(tmp_path / "source.csv")


@pytest.mark.parametrize("name", ["out.xlsx", "out"])
def test_a_table_of_another_name_is_refused_with_one_that_fits(tmp_path, name):
    with pytest.raises(OutputError) as caught:
        check_destination(tmp_path / name)
    assert "out.csv" in caught.value.remedy
    for fits in ("a.csv", "a.JSON"):
        check_destination(tmp_path / fits)
        assert not (tmp_path / fits).exists()


def test_csv_reads_back_equal(predictions, tmp_path):
    write_table(tmp_path / "out.csv", predictions)
    again = read_predictions(tmp_path / "out.csv")
    assert again.patient_id == predictions.patient_id
    for name, values in predictions.numbers().items():
        assert again.numbers()[name] == pytest.approx(values, nan_ok=True)


def test_json_holds_an_object_a_patient_with_null_for_what_is_unknown(predictions, tmp_path):
    write_table(tmp_path / "out.json", predictions)
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert first["patient_id"] == "P1"
    assert first["prob_yT0yN0"] == 0.5
    assert second["yT0"] is None
    assert not any(isinstance(v, float) and math.isnan(v) for v in second.values())


def test_the_record_holds_the_digests_of_what_it_lies_beside(predictions, tmp_path):
    table, cohort = tmp_path / "out.csv", tmp_path / "cohort.csv"
    cohort.write_text("patient_id\n")
    write_table(table, predictions)
    path = write_record(table, bundle_sha256="ab" * 32, cohort=cohort, device="cpu")
    assert path == tmp_path / "out.csv.record.json"
    record = json.loads(path.read_text())
    assert record["predictions_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert record["cohort_sha256"] == hashlib.sha256(b"patient_id\n").hexdigest()
    assert record["bundle_sha256"] == "ab" * 32


def test_a_stream_has_no_record(tmp_path):
    assert write_record(Path("/dev/null"), bundle_sha256="", cohort=tmp_path, device="cpu") is None
