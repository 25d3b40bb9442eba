"""``pcrnet import`` as it is typed."""

import csv

import numpy as np
import pytest
import yaml

from pcrnet.cli import main


def _rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def mama_mia(tmp_path, write_example):
    return write_example("mama-mia", tmp_path / "mm")


@pytest.fixture
def bids(tmp_path, write_example):
    return write_example("bids", tmp_path / "bids")


@pytest.fixture
def tree(tmp_path, save_mr):
    for day, name in ((3, "a"), (1, "b")):
        tags = {"StudyDate": f"1993010{day}", "StudyInstanceUID": f"1.2.{day}"}
        save_mr(tmp_path / "tree" / name / "1", SeriesDescription="t2_tse", **tags)
        save_mr(tmp_path / "tree" / name / "2", SeriesDescription="what", **tags)
    return tmp_path / "tree"


def test_mama_mia_is_imported_with_the_masks_that_are_asked_for(mama_mia, tmp_path, capsys):
    out = tmp_path / "out" / "mine.csv"
    assert main(["import", "mama-mia", str(mama_mia), str(out)]) == 0
    assert "no expert segmentation (1: DUKE_001)" in capsys.readouterr().out
    other = tmp_path / "other"
    arguments = ["import", "mama-mia", str(mama_mia), str(other), "--segmentations", "automatic"]
    assert main(arguments) == 0
    assert "baseline.mask: 1" in capsys.readouterr().out
    (row,) = _rows(other / "cohort.csv")
    assert row["yT0yN0"] == "1"
    settings = yaml.safe_load((other / "cohort.yaml").read_text())
    assert settings["outcome"] == {"definition": "ypT0/is"}


def test_bids_is_imported_and_its_files_can_be_named(bids, tmp_path, capsys):
    assert main(["import", "bids", str(bids), str(tmp_path / "first")]) == 0
    assert "several files could be t2" in capsys.readouterr().out
    named = ["--file", "t2=anat/*_acq-fat_T2w.nii*"]
    assert main(["import", "bids", str(bids), str(tmp_path / "second"), *named]) == 0
    (row,) = _rows(tmp_path / "second" / "cohort.csv")
    assert row["baseline.t2"].endswith("acq-fat_T2w.nii.gz")
    assert row["baseline.pet"] == "suv/sub-01_baseline_pet.nii.gz"


def test_ispy2_is_imported_with_masks_in_the_named_convention(save_mr, save_mask, tmp_path, capsys):
    study = tmp_path / "manifest" / "ISPY2-100899" / "T0"
    save_mr(study / "1", phases=6, SeriesDescription="ISPY2: VOLSER: uni-lateral: original DCE")
    values = np.ones((4, 6, 8))
    values[1, 2, 3] = 0
    save_mask(study / "2", values, SeriesDescription="ISPY2: VOLSER: uni-lateral: Analysis Mask")
    arguments = ["import", "ispy2", str(tmp_path / "manifest"), str(tmp_path / "out")]
    assert main([*arguments, "--analysis-mask", "zero"]) == 0
    assert "not in a clinical table" in capsys.readouterr().out
    (row,) = _rows(tmp_path / "out" / "cohort.csv")
    assert row["patient_id"] == "ISPY2-100899"
    assert (tmp_path / "out" / row["baseline.mask"]).is_file()


def test_a_dicom_tree_is_listed_then_corrected_then_imported(tree, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["import", "dicom", str(tree), str(out), "--timepoints", "before,after"]) == 0
    shown = capsys.readouterr().out
    assert "4 series of 1 patients" in shown
    assert "no channel: nothing in the header tells the channel (2)" in shown
    assert f"pcrnet import dicom {out / 'series.csv'} {out / 'cohort.csv'}" in shown
    listing = out / "series.csv"
    rows = _rows(listing)
    for row in rows:
        row["channel"] = row["channel"] or "adc"
    with listing.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    arguments = ["import", "dicom", str(listing), str(out / "cohort.csv")]
    assert main([*arguments, "--timepoints", "before,after"]) == 0
    (row,) = _rows(out / "cohort.csv")
    assert row["before.t2"].endswith("tree/b/1")  # by date, not by name
    assert row["after.adc"].endswith("tree/a/2")


def test_what_somebody_may_have_corrected_is_not_overwritten(tree, tmp_path, capsys):
    for step in (tree, tmp_path / "out" / "series.csv"):
        arguments = ["import", "dicom", str(step), str(tmp_path / "out")]
        assert main(arguments) == 0
        assert main(arguments) == 2
        assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mama-mia", "{tmp}"], "no folder images"),
        (["ispy2", "{tmp}"], "no scan was recognised"),
        (["ispy2", "{tmp}", "--clinical", "{tmp}/nowhere.xlsx"], "nowhere.xlsx"),
        (["ispy2", "{tmp}", "--clinical", "{tmp}/other.csv"], "no column Patient_ID"),
        (["bids", "{tmp}"], "no scan was recognised"),
        (["bids", "{tmp}", "--file", "t2"], "CHANNEL=GLOB"),
        (["dicom", "{tmp}"], "no DICOM series"),
        (["dicom", "{tmp}/nowhere"], "no such folder or file"),
    ],
)
def test_what_is_no_such_data_set_ends_with_a_message(arguments, told, tmp_path, capsys):
    (tmp_path / "other.csv").write_text("who\n1\n")
    typed = [text.format(tmp=tmp_path) for text in arguments]
    assert main(["import", *typed[:2], str(tmp_path / "out"), *typed[2:]]) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert "Traceback" not in shown.err
    assert not (tmp_path / "out").exists()
