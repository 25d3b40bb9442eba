"""What can be written is known before, and room that is held is there at the end."""

import os
from pathlib import Path

import pytest

from pcrnet.disk_room import ballast, require_writable
from pcrnet.errors import OutputError


@pytest.mark.parametrize("place", [".", "file/below.csv", "n" * 300, "/proc/nowhere/a.csv"])
def test_whether_a_place_can_be_written_is_known_before(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        require_writable(tmp_path / place)
    require_writable(tmp_path / "file")
    require_writable(Path("/dev/null"))
    assert (tmp_path / "file").read_text() == "in the way"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_asking_leaves_no_folder_behind(tmp_path):
    require_writable(tmp_path / "a" / "b" / "c.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 3 * (1 << 20) + 5])
def test_the_room_is_taken_on_the_disk_and_given_back(tmp_path, size):
    with ballast(tmp_path / "out.csv", size):
        (held,) = tmp_path.iterdir()
        assert held.stat().st_size == size
        assert held.stat().st_blocks * 512 >= size  # no holes
    assert list(tmp_path.iterdir()) == []


def test_the_room_is_given_back_when_the_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), ballast(tmp_path / "out.csv", 100):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_stream_needs_no_room_and_a_file_in_the_way_is_said(tmp_path):
    with ballast(Path(os.devnull), 1 << 40):
        pass
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError), ballast(tmp_path / "file" / "out.csv", 1):
        raise AssertionError("no work begins without its room")
