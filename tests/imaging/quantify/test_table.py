"""quantities.csv."""

import math

import pytest

from pcrnet.errors import CohortError
from pcrnet.imaging.quantify.table import read_quantities, write_quantities


def test_a_table_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "quantities.csv"
    patients = {"B, 1": {"x_ml": 0.1 + 0.2}, "A": {"x_ml": math.nan, "y_ln": -3.0}}
    write_quantities(path, ["x_ml", "y_ln"], patients)
    assert path.read_text().splitlines()[0] == "patient_id,x_ml,y_ln"
    found = read_quantities(path)
    assert list(found) == ["B, 1", "A"]
    assert found["B, 1"]["x_ml"] == 0.1 + 0.2
    assert math.isnan(found["B, 1"]["y_ln"])
    assert math.isnan(found["A"]["x_ml"])


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("patient_id,x_ml\nA,1\nA,2\n", "patient_id"),
        ("patient_id,x_ml\nA,many\n", "x_ml"),
        ("patient_id,x_ml\nA,inf\n", "x_ml"),
        ("x_ml\n1\n", "patient_id"),
    ],
)
def test_a_table_that_is_not_one_is_refused_by_column(tmp_path, text, field):
    path = tmp_path / "quantities.csv"
    path.write_text(text)
    with pytest.raises(CohortError) as caught:
        read_quantities(path)
    assert caught.value.field == field
