"""``pcrnet explain`` from the command line."""

import pytest

from pcrnet.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quiet(capsys):
    yield
    capsys.readouterr()


def _explain(finished_run, tiny_trial, out, *more):
    return main(["explain", str(finished_run.bundle), str(tiny_trial.cohort), str(out), *more])


def test_a_page_for_each_patient_that_was_asked_for(finished_run, tiny_trial, tmp_path):
    name = tiny_trial.patients[0]
    assert _explain(finished_run, tiny_trial, tmp_path, "--patients", name, "--block-mm", "60") == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "index.html").is_file()


@pytest.mark.parametrize("more", [("--patients", "nobody"), ("--block-mm", "0")])
def test_what_cannot_be_asked_is_refused(finished_run, tiny_trial, tmp_path, more, capsys):
    assert _explain(finished_run, tiny_trial, tmp_path / "out", *more) == 2
    assert "remedy" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_where_nobody_can_be_explained_that_is_an_error(finished_run, tiny_trial, tmp_path, capsys):
    more = ("--patients", tiny_trial.left_out)
    assert _explain(finished_run, tiny_trial, tmp_path / "out", *more) == 2
    assert "refused" in capsys.readouterr().err


def test_maps_that_cannot_be_dicom_are_said_not_to_be(small_bundle, tmp_path, capsys):
    table = str(small_bundle / "golden" / "cohort.csv")
    name = "golden-complete"
    more = ("--patients", name, "--block-mm", "100", "--dicom")
    assert main(["explain", str(small_bundle), table, str(tmp_path), *more]) == 0
    assert f"{name}: no scan is DICOM" in capsys.readouterr().err
    assert (tmp_path / name / "index.html").is_file()
    assert not list(tmp_path.rglob("*.dcm"))


def test_without_the_library_nothing_is_begun(small_bundle, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pcrnet.extras.find_spec", lambda name: None)
    table = str(small_bundle / "golden" / "cohort.csv")
    assert main(["explain", str(small_bundle), table, str(tmp_path / "out"), "--dicom"]) == 2
    assert "pcrnet[sr]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
