"""``pcrnet kinetics`` as it is typed; the maps are tested where they are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.cli import main
from pcrnet.config.imaging import DicomConfig
from pcrnet.imaging import kinetic_maps
from pcrnet.imaging.kinetic_maps import TissueModel


def test_what_is_typed_reaches_the_maps_and_their_names_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, DicomConfig, Path | None, TissueModel | None]] = []

    def write(series, out, settings, *, mask, model):
        asked.append((series, settings, mask, model))
        return [out / "pe.nii.gz", out / "ser.nii.gz"]

    monkeypatch.setattr(kinetic_maps, "write_kinetic_maps", write)
    command = ["kinetics", "series", str(tmp_path), "imaging.dicom.suv=bsa"]
    assert main([*command]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["pe.nii.gz", "ser.nii.gz"]
    tissue = ["--mask", "mask.nii.gz", "--t1-ms", "1400", "--relaxivity", "4.5"]
    assert main([*command, *tissue, "--arrival-s", "8"]) == 0
    settings = DicomConfig(suv="bsa")
    assert asked == [
        (Path("series"), settings, None, None),
        (Path("series"), settings, Path("mask.nii.gz"), TissueModel(1.4, 4.5, 8.0)),
    ]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (["--t1-ms", "1400"], "--relaxivity"),
        (["--relaxivity", "4.5"], "--t1-ms"),
        (["--t1-ms", "-1", "--relaxivity", "4.5"], "--t1-ms"),
        (["--t1-ms", "nan", "--relaxivity", "4.5"], "--t1-ms"),
    ],
)
def test_half_a_tissue_model_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], field: str
) -> None:
    out = tmp_path / "maps"
    assert main(["kinetics", str(tmp_path / "absent"), str(out), *given]) == 2
    assert f"field {field}: the Tofts model needs" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param(["--t1-ms", "1.4", "--relaxivity", "4.5"], "--t1-ms", id="T1 in seconds"),
        pytest.param(
            ["--t1-ms", "1400", "--relaxivity", "0.0045"], "--relaxivity", id="l/(mmol ms)"
        ),
        pytest.param(["--t1-ms", "1400", "--relaxivity", "4500"], "--relaxivity", id="l/(mol s)"),
        pytest.param(
            ["--t1-ms", "1400", "--relaxivity", "4.5", "--arrival-s", "8000"],
            "--arrival-s",
            id="arrival in milliseconds",
        ),
        pytest.param(["--arrival-s", "nan"], "--arrival-s", id="no number"),
    ],
)
def test_a_tissue_model_in_other_units_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], field: str
) -> None:
    assert main(["kinetics", str(tmp_path / "absent"), str(tmp_path / "maps"), *given]) == 2
    assert f"field {field}: " in capsys.readouterr().err
