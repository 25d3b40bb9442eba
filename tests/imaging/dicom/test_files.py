"""Folders and archives are read without being unpacked, and bombs without exploding."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pcrnet.errors import DicomFileError, SeriesError
from pcrnet.imaging.dicom import files as dicom_files
from pcrnet.imaging.dicom.files import expansion_limit, files_below, open_files


def test_a_folder_its_subfolders_and_its_archive_hold_the_same_files(tmp_path: Path) -> None:
    folder = tmp_path / "scan"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.DCM").write_bytes(b"one")
    (folder / "deep" / "er" / "b").write_bytes(b"two")
    (folder / ".hidden.dcm").write_bytes(b"three")
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(tmp_path))
    for path in (folder, tmp_path / "scan.zip"):
        with open_files(path) as files:
            found = {(file.suffix, file.open().read()) for file in files}
        assert found == {(".dcm", b"one"), ("", b"two"), ("", b"three")}


def test_a_single_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"one")
    with open_files(tmp_path / "a.dcm") as files:
        assert [file.open().read() for file in files] == [b"one"]


def test_an_archive_member_that_climbs_out_is_never_written(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("../../escaped.dcm", b"payload")
    before = sorted(tmp_path.parent.rglob("*"))
    with open_files(tmp_path / "slip.zip") as files:
        assert files[0].open().read() == b"payload"
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_member_that_expands_like_a_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", bytes(64 << 20))
    with (
        pytest.raises(DicomFileError, match="times its size"),
        open_files(tmp_path / "bomb.zip"),
    ):
        pass


def test_members_that_expand_like_a_bomb_together_are_refused_at_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(20):
            archive.writestr(f"{n}.dcm", bytes(8 << 20))
    begun = time.process_time()
    with (
        pytest.raises(DicomFileError, match="times its size"),
        open_files(tmp_path / "bomb.zip"),
    ):
        pass
    assert time.process_time() - begun < 0.1


def test_the_head_of_a_member_is_read_without_the_rest(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(1 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", data)
    with open_files(tmp_path / "a.zip") as (file,):
        assert file.head(100) == data[:100]


def test_a_pipe_and_a_link_to_nothing_are_refused_and_hidden_ones_passed_over(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.dcm").write_bytes(b"one")
    (tmp_path / ".#lock").symlink_to(tmp_path / "nowhere")
    assert files_below(tmp_path) == [tmp_path / "a.dcm"]
    (tmp_path / "b.dcm").symlink_to(tmp_path / "CANARY")
    with pytest.raises(DicomFileError, match="a link that leads nowhere") as caught:
        files_below(tmp_path)
    assert "CANARY" not in str(caught.value)
    (tmp_path / "b.dcm").unlink()
    os.mkfifo(tmp_path / "b.dcm")
    with pytest.raises(DicomFileError, match="pipe"), open_files(tmp_path):
        pass
    with pytest.raises(DicomFileError, match="no such file"), open_files(tmp_path / "b.dcm"):
        pass


def test_an_archive_of_a_version_to_come_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "later.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", b"payload")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 148  # "version needed to extract", APPNOTE 4.3.12
    path.write_bytes(data)
    with pytest.raises(DicomFileError, match="cannot be unpacked"), open_files(path):
        pass


def test_a_damaged_member_is_refused_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("CANARY.dcm", b"payload payload payload")
    data = bytearray(path.read_bytes())
    data[data.index(b"payload")] ^= 1
    path.write_bytes(data)
    with open_files(path) as files, pytest.raises(DicomFileError, match="unpacked") as caught:
        files[0].open()
    assert "CANARY" not in str(caught.value)


def test_a_truncated_archive_or_an_absent_path_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(DicomFileError, match="no such") as caught,
        open_files(tmp_path / "CANARY"),
    ):
        pass
    assert "CANARY" not in str(caught.value)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_files, "MAX_FILE_BYTES", 10)
    (tmp_path / "a.dcm").write_bytes(bytes(11))
    with open_files(tmp_path) as files, pytest.raises(DicomFileError, match="larger"):
        files[0].open()


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_files, "MAX_FILES", 1)
    for name in "ab":
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(SeriesError, match="holds 2 files"), open_files(tmp_path):
        pass


def test_a_file_that_vanishes_is_an_error_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "CANARY.dcm").write_bytes(b"")
    with open_files(tmp_path) as files:
        (tmp_path / "CANARY.dcm").unlink()
        with pytest.raises(DicomFileError, match="cannot be opened") as caught:
            files[0].open()
    assert "CANARY" not in str(caught.value)


def test_small_files_may_expand_freely_and_large_ones_a_hundredfold() -> None:
    assert expansion_limit(100) == 32 << 20
    assert expansion_limit(1 << 20) == 100 << 20
    assert expansion_limit(1 << 30) == dicom_files.MAX_FILE_BYTES
