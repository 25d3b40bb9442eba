"""``trials.csv``: read by another library, it holds what the trials were."""

import pandas as pd
import pytest

from pcrnet.sweeps.folder.table import COLUMNS, shown, write_table


def test_another_library_reads_the_trials_in_their_order(finished, tmp_path):
    sweep, trials = finished
    path = tmp_path / "trials.csv"
    write_table(path, sweep, trials)
    table = pd.read_csv(path, dtype={"trial": str})
    keys = ["model.width", "model.fusion.kind", "model.fusion.hidden"]
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert set(table.columns[len(COLUMNS) :]) == set(keys)
    assert list(table["trial"]) == [trial.proposal.trial for trial in trials]
    for row, trial in zip(table.to_dict("records"), trials, strict=True):
        assert row["state"] == trial.result.state
        assert row["value"] == trial.value or (pd.isna(row["value"]) and trial.value is None)
        for key in keys:
            if key in trial.proposal.values:
                assert row[key] == trial.proposal.values[key]
            else:
                assert pd.isna(row[key])


def test_an_empty_sweep_has_a_header(make_sweep, tmp_path):
    write_table(tmp_path / "trials.csv", make_sweep(), [])
    assert list(pd.read_csv(tmp_path / "trials.csv").columns)[:5] == list(COLUMNS)


@pytest.mark.parametrize(
    ("value", "text"),
    [("concat", "concat"), (16, "16"), (0.001, "0.001"), (True, "true"), (None, "null"),
     (["age", "grade"], '["age","grade"]')],
)  # fmt: skip
def test_a_value_is_shown_as_a_configuration_takes_it(value, text):
    import yaml

    assert shown(value).replace(" ", "") == text
    assert yaml.safe_load(shown(value)) == value
