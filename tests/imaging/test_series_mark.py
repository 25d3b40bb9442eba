"""A mark tells whether a scan is the same, whatever it is called."""

import shutil

import pytest

from pcrnet.imaging.series_mark import DIGITS, series_mark


@pytest.fixture
def series(tmp_path):
    (tmp_path / "one").mkdir()
    for name in "abc":
        (tmp_path / "one" / name).write_bytes(name.encode() * 50)
    return tmp_path / "one"


def test_neither_names_nor_folders_change_it(series, tmp_path):
    other = tmp_path / "other"
    (other / "deeper").mkdir(parents=True)
    for old, new in (("a", "deeper/9"), ("b", "deeper/1"), ("c", "5")):
        shutil.copy(series / old, other / new)
    assert series_mark(other) == series_mark(series)
    assert len(series_mark(series)) == DIGITS


def test_a_changed_byte_a_lost_slice_and_one_twice_change_it(series):
    marks = {series_mark(series)}
    (series / "d").write_bytes((series / "a").read_bytes())
    marks.add(series_mark(series))
    (series / "d").unlink()
    (series / "c").unlink()
    marks.add(series_mark(series))
    (series / "b").write_bytes(b"b" * 49 + b"x")
    marks.add(series_mark(series))
    assert len(marks) == 4


def test_a_file_is_marked_by_its_bytes(series, tmp_path):
    shutil.copy(series / "a", tmp_path / "copy.nii.gz")
    assert series_mark(tmp_path / "copy.nii.gz") == series_mark(series / "a")
    assert series_mark(series / "a") != series_mark(series / "b")
