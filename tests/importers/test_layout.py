"""What every importer keeps to. A layout that is registered is examined here, too."""

import csv
import hashlib

import pytest

from pcrnet.cli import main
from pcrnet.cohort.table import read_cohort
from pcrnet.config.layers import load_experiment
from pcrnet.imaging.reader import read_volume
from pcrnet.importers.command import LAYOUTS, layout_of
from pcrnet.importers.layout import Layout


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return request.param


@pytest.fixture
def source(layout, write_example, tmp_path):
    (tmp_path / "source").mkdir()
    return write_example(layout, tmp_path / "source")


def _import(layout, source, out):
    return main(["import", layout, str(source), str(out)])


def _sums(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_declares_itself(layout):
    assert isinstance(layout_of(layout), Layout)


def test_it_explains_itself(layout, capsys):
    with pytest.raises(SystemExit) as end:
        main(["import", layout, "--help"])
    assert end.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"usage: pcrnet import {layout}")
    assert LAYOUTS[layout][1].split()[-1] in said


def test_the_table_and_the_settings_beside_it_are_a_cohort_whose_scans_can_be_read(
    layout, source, tmp_path
):
    assert _import(layout, source, tmp_path / "out") == 0
    experiment = load_experiment([str(tmp_path / "out" / "cohort.yaml")])
    cohort = read_cohort(
        tmp_path / "out" / "cohort.csv",
        definition=experiment.outcome.definition,
        timepoints=experiment.data.timepoints,
        channels=experiment.data.channels,
        covariates=(),
    )
    visits = [visit for patient in cohort.patients for visit in patient.visits.values()]
    scans = [scan for visit in visits for scan in visit.scans.items()]
    assert scans
    for channel, scan in scans:
        kind = experiment.imaging.channel_kind(channel)
        assert read_volume(scan, channel, kind).array.size > 1


def test_neither_the_source_is_touched_nor_does_the_place_of_the_table_matter(
    layout, source, tmp_path
):
    before = _sums(tmp_path / "source")
    for out in ("one", "two"):
        assert _import(layout, source, tmp_path / out) == 0
    assert _sums(tmp_path / "source") == before
    one, two = ((tmp_path / out / "cohort.csv").read_text() for out in ("one", "two"))
    assert one == two


def test_nothing_that_is_written_or_said_names_a_person(layout, source, tmp_path, capsys):
    assert _import(layout, source, tmp_path / "out") == 0
    said = capsys.readouterr()
    written = [path.read_text() for path in (tmp_path / "out").glob("cohort.*")]
    assert len(written) == 2
    assert not any("SECRET-NAME" in text for text in (said.out, said.err, *written))


def test_what_is_left_aside_is_counted_and_the_rest_too(layout, source, tmp_path, capsys):
    assert _import(layout, source, tmp_path / "out") == 0
    with (tmp_path / "out" / "cohort.csv").open(newline="") as stream:
        rows = len(list(csv.DictReader(stream)))
    assert f"{rows} patients written to cohort.csv" in capsys.readouterr().out


def test_a_table_that_is_there_is_left_as_it_is(layout, source, tmp_path, capsys):
    assert _import(layout, source, tmp_path / "out") == 0
    (tmp_path / "out" / "cohort.csv").write_text("corrected by hand")
    assert _import(layout, source, tmp_path / "out") == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "out" / "cohort.csv").read_text() == "corrected by hand"


def test_a_folder_without_anything_in_it_is_refused_and_nothing_is_left(layout, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert _import(layout, tmp_path / "empty", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "\nerror:" in f"\n{said}"
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
