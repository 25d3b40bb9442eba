"""``pcrnet convert`` as it is typed, on series of real scanners."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pcrnet.cli import main
from pcrnet.imaging.dicom_reader import read_dicom_series


def test_a_zipped_series_becomes_a_volume_with_a_record_beside_it(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = test_data / "dicom_edge_cases" / "ge_oblique_anatomical.zip"
    out = tmp_path / "made" / "t2.nii.gz"
    assert main(["convert", str(series), str(out), "--as", "t2"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    expected = read_dicom_series(series, "zscore").volume
    written = nib.load(out)
    assert np.array_equal(written.get_fdata(dtype=np.float32), expected.array)
    assert json.loads((out.parent / "t2.json").read_text())["unit"] == "arbitrary"
    assert sorted(path.name for path in out.parent.iterdir()) == ["t2.json", "t2.nii.gz"]


def test_settings_behind_the_series_are_heeded(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = test_data / "dicom_edge_cases" / "ge_oblique_anatomical.zip"
    out = tmp_path / "a.nii.gz"
    command = ["convert", str(series), str(out), "--as", "own"]
    assert main([*command, "imaging.channels={own: suv}"]) == 2
    assert "PT" in capsys.readouterr().err
    assert main([*command, "imaging.channels={own: zscore}"]) == 0
    capsys.readouterr()


def test_a_series_with_a_missing_slice_is_refused_and_leaves_nothing(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = test_data / "dicom_edge_cases" / "failing_sliceincrement_001.zip"
    assert main(["convert", str(series), str(tmp_path / "a.nii.gz"), "--as", "t2"]) == 2
    assert "error:" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_the_series_shows_has_to_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["convert", "series", "out.nii.gz"])
    assert end.value.code == 2
    assert "--as" in capsys.readouterr().err
