"""What is half written, and by whom."""

import os

import pytest

from pcrnet.drafts import sweep_abandoned
from pcrnet.storage import atomic_path


def test_what_may_still_be_written_is_not_swept(tmp_path):
    path = tmp_path / "a.bin"
    elsewhere = tmp_path / ".0badcafe-1-2.partial.a.bin"  # another machine's
    elsewhere.touch()
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"whole")
        sweep_abandoned(tmp_path)
    assert path.read_bytes() == b"whole"
    assert elsewhere.exists()
    os.utime(elsewhere, (0, 0))
    sweep_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", [".film.partial.zip", ".0badcafe-x-2.partial.a", ".a-1-2.partial.b"]
)
def test_what_others_call_alike_is_not_swept(tmp_path, name):
    theirs = tmp_path / name
    theirs.mkdir()
    (theirs / "file").touch()
    os.utime(theirs, (0, 0))
    for below in (True, False):
        sweep_abandoned(tmp_path, below=below)
    assert (theirs / "file").exists()
