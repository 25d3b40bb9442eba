import shutil

import pytest

from pcrnet.importers.series_folders import find_series


@pytest.fixture
def tree_of_three(tmp_path, save_mr):
    for name in ("a", "b"):
        save_mr(tmp_path / "three" / name)
    (tmp_path / "three" / "c.zip").write_bytes(b"no archive")
    return tmp_path / "three"


def test_innermost_folders_and_archives_with_dicom_are_found(tmp_path, save_mr):
    top = tmp_path / "top"
    save_mr(top / "b" / "series", SeriesDescription="t2 tse")
    packed = save_mr(tmp_path / "packed", SeriesDescription="adc")
    shutil.make_archive(str(top / "a"), "zip", packed)
    (top / "b" / "LICENSE").write_text("text beside a folder of series")
    (top / "c").mkdir()
    (top / "c" / "notes.txt").write_text("no image")
    (top / "d.zip").write_bytes(b"no archive")
    found = {str(series.path.relative_to(top)): series.description for series in find_series(top)}
    assert found == {"a.zip": "ADC", "b/series": "T2 TSE"}


def test_a_damaged_file_does_not_hide_the_others(tmp_path, save_mr):
    folder = save_mr(tmp_path / "series", SeriesDescription="adc")
    (folder / "0-000.dcm").write_bytes(b"\0" * 128 + b"DICM\x02\x00")
    assert [series.description for series in find_series(tmp_path)] == ["ADC"]


def test_a_folder_of_several_series_is_taken_apart(tmp_path, save_mr):
    """As exports of enhanced objects are: a file a series, all in one folder."""
    top = tmp_path / "top"
    many = save_mr(top / "flat", SeriesDescription="t2")
    for name in ("adc", "t1"):
        single = save_mr(tmp_path / name, SeriesDescription=name)
        shutil.copy(single / "1-001.dcm", many / f"0-{name}.dcm")
    found = [(str(of.path.relative_to(top)), of.description, of.mixed) for of in find_series(top)]
    assert found == [
        ("flat/0-adc.dcm", "ADC", False),
        ("flat/0-t1.dcm", "T1", False),
        ("flat", "T2", True),
    ]


def test_files_beside_folders_are_not_lost(tmp_path, save_mr):
    beside = save_mr(tmp_path / "top" / "series", SeriesDescription="t2")
    shutil.copy(beside / "1-001.dcm", tmp_path / "top" / "alone.dcm")
    found = {of.path.name for of in find_series(tmp_path / "top")}
    assert found == {"alone.dcm", "series"}


def test_a_segmentation_beside_its_series_does_not_part_them(tmp_path, save_mr, save_mask):
    folder = save_mr(tmp_path / "top" / "series", SeriesDescription="t2")
    mask = save_mask(tmp_path / "mask", [[[0, 1]]], SeriesDescription="mask")
    shutil.copy(mask / "1-1.dcm", folder / "0-mask.dcm")
    (found,) = find_series(tmp_path / "top")
    assert (found.path, found.description, found.mixed) == (folder, "T2", False)


def test_progress_counts_folders_and_archives(tree_of_three):
    calls = []
    list(find_series(tree_of_three, lambda *call: calls.append(call)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
