"""The two steps of a DICOM tree: which files each writes, and what is said of a listing."""

from argparse import Namespace
from pathlib import Path

from pcrnet.importers.dicom_steps import LAYOUT, summary
from pcrnet.importers.dicom_tree import ListedSeries

_TABLE = Path("out/cohort.csv")


def _line(channel="", timepoint="baseline", note="", patient="P001"):
    return ListedSeries(
        patient=patient, timepoint=timepoint, days_after_first="0", channel=channel,
        modality="MR", volumes="1", units="", image_type="", attenuation_corrected="",
        note=note, path="secret/folder",
    )  # fmt: skip


def test_a_tree_becomes_a_listing_and_a_listing_a_table():
    tree = LAYOUT.written(Namespace(source=Path("export")), _TABLE)
    assert list(tree) == [Path("out/series.csv")]
    listing = LAYOUT.written(Namespace(source=Path("out/series.CSV")), _TABLE)
    assert set(listing) == {_TABLE, Path("out/cohort.yaml")}


def test_the_summary_counts_scans_and_reasons_and_names_no_path():
    lines = summary(
        [
            _line("t2"),
            _line("t2", patient="P002"),
            _line("adc", "interim"),
            _line(note="mixed"),
            _line(note="mixed"),
            _line(),
        ]
    )
    assert lines[0] == "6 series of 2 patients"
    assert lines[1:3] == ["  baseline.t2: 2", "  interim.adc: 1"]
    assert lines[3:] == ["no channel: mixed (2)", "no channel: no reason (1)"]
    assert "secret" not in "".join(lines)
