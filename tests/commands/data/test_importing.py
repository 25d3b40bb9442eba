"""``pcrnet import`` as it is typed, on series of real scanners; layouts have tests of their own."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest

from pcrnet.cli import main


@pytest.fixture
def tree(test_data: Path, tmp_path: Path) -> Path:
    """An export of two folders, one of them with files that are no images."""
    cases = test_data / "dicom_edge_cases"
    for name, place in (("ge_oblique_anatomical", "a"), ("rescale_nonisotropic", "b/c")):
        with zipfile.ZipFile(cases / f"{name}.zip") as packed:
            packed.extractall(tmp_path / "tree" / place)
    (tmp_path / "tree" / "readme.txt").write_text("not an image")
    return tmp_path / "tree"


def test_the_series_of_a_tree_are_listed_to_be_corrected(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["import", "dicom", str(tree), str(out)]) == 0
    assert "series.csv" in capsys.readouterr().out
    with (out / "series.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2


def test_options_of_another_layout_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["import", "dicom", "tree", "out", "--analysis-mask", "zero"])
    assert end.value.code == 2
    assert "--analysis-mask" in capsys.readouterr().err


def test_an_unknown_layout_is_answered_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["import", "xnat", "tree", "out"])
    said = capsys.readouterr().err
    for layout in ("mama-mia", "ispy2", "bids", "dicom"):
        assert layout in said


def test_a_source_that_is_not_there_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for layout in ("mama-mia", "ispy2", "bids", "dicom"):
        out = tmp_path / layout
        assert main(["import", layout, str(tmp_path / "absent"), str(out)]) == 2
        assert "error:" in capsys.readouterr().err
        assert not out.exists()
