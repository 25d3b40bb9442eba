"""Archives that do not play fair are refused before they cost anything."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from pcrnet.serve.limits import Limits
from pcrnet.serve.unpacking import NoRoomError, UploadError, UploadTooLargeError, unpack

LIMITS = Limits(upload_mb=10, unpacked_mb=100, files=20)


def unpacked(tmp_path: Path, data: bytes, limits: Limits = LIMITS) -> frozenset[str]:
    (tmp_path / "upload.zip").write_bytes(data)
    return unpack(tmp_path / "upload.zip", tmp_path / "images", limits)


def with_info(name: str, data: bytes = b"x", **fields: object) -> bytes:
    info = zipfile.ZipInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, data)
    return stream.getvalue()


def test_files_and_folders_come_out_as_they_went_in(tmp_path: Path, make_zip) -> None:
    members = {"a/b/c.dcm": os.urandom(3_000_000), "d.nii": b"", "ä/ö": b"text"}
    assert unpacked(tmp_path, make_zip(members)) == set(members)
    for name, data in members.items():
        assert (tmp_path / "images" / name).read_bytes() == data


LEADING_OUT = [
    "../out", "a/../../out", "/etc/out", "a//b", "./a", "a/./b", "..", "C:/out", "C:out",
    "..\\out", "a\\b", "\\\\host\\out", "a\x00b", "a\nb", "\u202eb", "a/" * 40 + "b", "a" * 300,
]  # fmt: skip


@pytest.mark.parametrize("name", LEADING_OUT)
def test_a_name_that_leads_out_or_confuses_is_refused_and_not_repeated(
    tmp_path: Path, name: str
) -> None:
    # zipfile itself would mend some of them.
    data = with_info("X" * len(name)).replace(b"X" * len(name), name.encode())
    data = data if name.isascii() else with_info(name)
    with pytest.raises(UploadError) as caught:
        unpacked(tmp_path, data)
    assert name not in str(caught.value) or len(name) < 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["upload.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    data = with_info("baseline", b"/etc/passwd", external_attr=(kind | 0o777) << 16)
    with pytest.raises(UploadError, match="a link or a device"):
        unpacked(tmp_path, data)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "A"), ("a", "a/b"), ("é", "e\u0301")])
def test_a_name_twice_is_refused(tmp_path: Path, make_zip, names: tuple[str, str]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        for name in names:
            archive.writestr(name, b"x")
    with pytest.raises(UploadError, match="a name twice"):
        unpacked(tmp_path, stream.getvalue())


def test_archives_within_are_refused(tmp_path: Path, make_zip) -> None:
    inner = make_zip({"a": bytes(1000)})
    with pytest.raises(UploadError, match="another archive"):
        unpacked(tmp_path, make_zip({"series.dcm": inner}))


def test_more_files_than_allowed_are_refused(tmp_path: Path, make_zip) -> None:
    with pytest.raises(UploadTooLargeError, match="holds 21 files"):
        unpacked(tmp_path, make_zip({str(n): b"" for n in range(21)}))


@pytest.mark.parametrize("megabytes", [70, 150])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, make_zip, megabytes: int) -> None:
    data = make_zip({"zeros": bytes(megabytes << 20)})  # 1000 : 1
    tracemalloc.start()
    with pytest.raises(UploadTooLargeError):
        unpacked(tmp_path, data)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert not (tmp_path / "images").exists()


def test_overlapping_members_are_counted_as_often_as_they_are_named(
    tmp_path: Path, make_zip
) -> None:
    """One kernel, quoted by many names: Fifield, WOOT 2019."""
    data = make_zip({"0": bytes(12 << 20)})
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[start:end]
    entries = b"".join(entry[:-1] + bytes([48 + n]) for n in range(10))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 10, 10, len(entries), start, 0)
    with pytest.raises(UploadError):
        unpacked(tmp_path, data[:start] + entries + tail)


def test_a_file_larger_than_it_says_is_cut_off(tmp_path: Path, make_zip) -> None:
    data = bytearray(make_zip({"a": os.urandom(100_000)}, zipfile.ZIP_STORED))
    where = data.index(b"PK\x01\x02")
    data[where + 24 : where + 28] = struct.pack("<L", 10)
    data[where + 20 : where + 24] = struct.pack("<L", 10)
    with pytest.raises(UploadError):
        unpacked(tmp_path, bytes(data))
    assert sum(path.stat().st_size for path in (tmp_path / "images").rglob("*")) < 100_000


def test_encrypted_and_unusual_archives_are_refused(tmp_path: Path, make_zip) -> None:
    data = bytearray(make_zip({"a": b"secret"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    with pytest.raises(UploadError, match="an encrypted file"):
        unpacked(tmp_path, bytes(data))
    with pytest.raises(UploadError, match="neither stored nor deflated"):
        unpacked(tmp_path, make_zip({"a": b"x" * 100}, zipfile.ZIP_BZIP2))


def test_every_truncation_and_flipped_bit_ends_in_words(tmp_path: Path, make_zip) -> None:
    whole = make_zip({"a/b": b"some text " * 20, "c": bytes(50)})
    for at in range(len(whole)):
        folder = tmp_path / str(at)
        folder.mkdir()
        flipped = whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
        with contextlib.suppress(UploadError):
            unpacked(folder, flipped)
        with pytest.raises(UploadError):
            unpacked(folder, whole[:at])
    outside = {path.name for path in tmp_path.parent.iterdir()} - {tmp_path.name}
    assert not {"b", "c"} & outside


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive", bytes(1000)])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UploadError, match="cannot be unpacked"):
        unpacked(tmp_path, data)


def test_an_archive_without_files_is_refused(tmp_path: Path, make_zip) -> None:
    with pytest.raises(UploadError, match="empty"):
        unpacked(tmp_path, make_zip({"folder/": b""}))


def test_a_full_disk_is_the_servers_matter(
    tmp_path: Path, make_zip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    (tmp_path / "images").mkdir()
    data = make_zip({"a": b"x"})
    (tmp_path / "upload.zip").write_bytes(data)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(NoRoomError):
        unpack(tmp_path / "upload.zip", tmp_path / "images", LIMITS)
