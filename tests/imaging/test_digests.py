"""Digests that are not computed twice."""

import hashlib
import json
import os

import pytest

from pcrnet.errors import ImageError
from pcrnet.imaging import digests
from pcrnet.imaging.digests import DigestMemo


@pytest.fixture
def settled(tmp_path):
    """A file last changed long ago, as far as its times can be set."""
    path = tmp_path / "scan.nii"
    path.write_bytes(b"voxels")
    os.utime(path, (1e9, 1e9))
    return path


@pytest.fixture
def hashed(monkeypatch):
    """The files that were really read; every file counts as settled."""
    files = []
    real = digests.sha256_file
    monkeypatch.setattr(digests, "sha256_file", lambda path: files.append(path) or real(path))
    monkeypatch.setattr(digests, "_SETTLED_NS", -(10**18))
    return files


def test_the_digest_is_sha256(settled, tmp_path):
    expected = hashlib.sha256(b"voxels").hexdigest()
    assert DigestMemo(tmp_path / "memo.json").digest(settled) == expected


def test_a_file_is_read_once_even_by_a_later_process(settled, tmp_path, hashed):
    memo = DigestMemo(tmp_path / "memo.json")
    assert memo.digest(settled) == memo.digest(settled)
    memo.save()
    assert DigestMemo(tmp_path / "memo.json").digest(settled) == memo.digest(settled)
    assert hashed == [settled]


def test_a_change_of_equal_size_is_seen(settled, tmp_path, hashed):
    memo = DigestMemo(tmp_path / "memo.json")
    before = memo.digest(settled)
    settled.write_bytes(b"VOXELS")
    os.utime(settled, (1e9, 1e9))  # the time of status change cannot be turned back
    assert memo.digest(settled) != before
    assert len(hashed) == 2


def test_a_file_just_changed_is_not_remembered(settled, tmp_path, monkeypatch):
    memo = DigestMemo(tmp_path / "memo.json")
    memo.digest(settled)
    memo.save()
    assert not (tmp_path / "memo.json").exists()


def test_the_memo_holds_no_path(settled, tmp_path, hashed):
    memo = DigestMemo(tmp_path / "memo.json")
    memo.digest(settled)
    memo.save()
    assert "scan" not in (tmp_path / "memo.json").read_text()


def test_two_processes_merge_what_they_found(settled, tmp_path, hashed):
    other = tmp_path / "other.nii"
    other.write_bytes(b"more")
    first, second = (DigestMemo(tmp_path / "memo.json") for _ in range(2))
    first.digest(settled)
    second.digest(other)
    first.save()
    second.save()
    assert len(json.loads((tmp_path / "memo.json").read_text())["digests"]) == 2


def test_a_memo_with_one_digit_changed_is_not_believed(settled, tmp_path, hashed):
    memo = DigestMemo(tmp_path / "memo.json")
    digest = memo.digest(settled)
    memo.save()
    text = (tmp_path / "memo.json").read_text()
    (tmp_path / "memo.json").write_text(text.replace(digest, digest[:-1] + "0"))
    assert text.count(digest) == 1
    assert digest[-1] != "0"
    assert DigestMemo(tmp_path / "memo.json").digest(settled) == digest


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '"x"', "\xff", "[" * 100_000, '{"digests": [1], "sha256": 2}']
)
def test_a_damaged_memo_is_begun_anew(settled, tmp_path, content):
    (tmp_path / "memo.json").write_text(content, encoding="latin-1")
    assert DigestMemo(tmp_path / "memo.json").digest(settled)


def test_a_folder_is_its_files_whatever_their_names(tmp_path):
    memo = DigestMemo(tmp_path / "memo.json")
    for folder, names in (("a", ("1.dcm", "sub/2.dcm")), ("b", ("x", "y"))):
        for name, content in zip(names, (b"one", b"two"), strict=True):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    assert memo.digest(tmp_path / "a") == memo.digest(tmp_path / "b")
    (tmp_path / "b" / "y").write_bytes(b"three")
    assert memo.digest(tmp_path / "a") != memo.digest(tmp_path / "b")


def test_a_folder_is_digested_by_the_files_that_are_read_and_a_pipe_by_none(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(b"one")
    alone = DigestMemo(None).digest(folder)
    (folder / ".#lock").symlink_to(tmp_path / "nowhere")
    assert DigestMemo(None).digest(folder) == alone
    os.mkfifo(folder / "b.dcm")
    for path in (folder, folder / "b.dcm"):
        with pytest.raises(ImageError):
            DigestMemo(None).digest(path)
