import shutil

from pcrnet.cohort.importers.series_folders import find_series


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
