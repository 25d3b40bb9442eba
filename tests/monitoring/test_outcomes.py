"""Outcomes that come later find their patients in the log, once."""

import pytest

from pcrnet.errors import CohortError, ProblemListError
from pcrnet.monitoring.log import read_log
from pcrnet.monitoring.outcomes import add_outcomes


def _table(tmp_path, text):
    path = tmp_path / "outcomes.csv"
    path.write_text(text)
    return path


def test_new_outcomes_are_added_once(write_log, tmp_path):
    log = write_log(5)
    table = _table(tmp_path, "patient_id,ypT,ypN\nP0001,0,0\nP0002,2,0\nP0003,,\nelse,0,0\n")
    assert add_outcomes(log, table, "ypT0") == 2
    assert add_outcomes(log, table, "ypT0") == 0
    labels = {one.patient: dict(one.label) for one in read_log(log).predictions}
    assert labels["P0001"] == {"yT0": 1.0, "yN0": 1.0, "yT0yN0": 1.0}
    assert labels["P0002"]["yT0yN0"] == 0.0
    assert labels["P0003"] == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("patient_id,age\nP0001,50\n", CohortError),
        ("ypT,ypN\n0,0\n", CohortError),
        ("patient_id,ypT\nnobody,0\n", CohortError),
        ("patient_id,ypT\nP0001,cured\n", ProblemListError),
    ],
)
def test_a_table_that_says_nothing_of_the_log_is_refused(write_log, tmp_path, text, error):
    log = write_log(3)
    before = log.read_bytes()
    with pytest.raises(error):
        add_outcomes(log, _table(tmp_path, text), "ypT0")
    assert log.read_bytes() == before
