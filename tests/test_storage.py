"""Files are whole or absent, and digests are those of everyone else."""

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pcrnet.drafts import sweep_abandoned
from pcrnet.errors import IntegrityError, OutputError
from pcrnet.storage import (
    atomic_path,
    create_once,
    make_folder,
    read_arrays,
    read_bounded,
    read_json,
    read_record,
    read_rows,
    sha256_file,
    sha256_json,
    taking_apart,
    write_bytes,
    write_json,
    write_text,
)


def _write_and_fail(path):
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("no space left")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        _write_and_fail(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old"


def test_a_failure_of_a_new_file_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        _write_and_fail(tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    program = (
        "import os, pathlib, signal, sys; from pcrnet.storage import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2  # the half
    sweep_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="nothing was written"), atomic_path(path):
        pass
    assert path.read_text() == "old"


def test_the_temporary_file_ends_as_the_file_does(tmp_path):
    with atomic_path(tmp_path / "scan.nii.gz") as temporary:
        assert temporary.name.endswith("scan.nii.gz")
        assert temporary.parent == tmp_path
        temporary.touch()


def test_folders_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "x")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "x"


def test_text_is_written_as_utf_8_with_its_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "10⁻³ mm²/s\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "10⁻³ mm²/s\r\n".encode()


def test_json_round_trips(tmp_path):
    value = {"ß": [1, 0.1, None, True], "b": {"c": 1e-300}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert json.loads((tmp_path / "a.json").read_text()) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_json_without_a_standard_form_is_refused_and_keeps_the_old_file(tmp_path, value):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, value)
    with pytest.raises(ValueError, match="not JSON compliant"):
        sha256_json(value)
    assert path.read_text() == "old"


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path, size):
    data = os.urandom(size)
    write_bytes(tmp_path / "a.bin", data)
    assert sha256_file(tmp_path / "a.bin") == hashlib.sha256(data).hexdigest()


def test_the_digest_of_no_bytes_is_the_published_one(tmp_path):
    # FIPS 180-4 examples: SHA-256 of the empty message and of "abc".
    write_bytes(tmp_path / "empty", b"")
    assert sha256_file(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")
    write_bytes(tmp_path / "abc", b"abc")
    assert sha256_file(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_the_digest_of_a_value_ignores_the_order_of_keys_alone():
    assert sha256_json({"a": 1, "b": [1, 2]}) == sha256_json({"b": [1, 2], "a": 1})
    assert sha256_json({"a": [1, 2]}) != sha256_json({"a": [2, 1]})
    assert sha256_json({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[1]", "no JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[" * 200_000, "nested"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested"),
        (b'{"a": ' + b"9" * 5000 + b"}", "damaged"),
    ],
    ids=range(10),
)
def test_a_damaged_record_is_one_error_with_its_file(tmp_path, content, says):
    path = tmp_path / "done.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=says) as caught:
        read_record(path)
    assert str(path) == caught.value.file
    assert caught.value.remedy


def test_a_record_that_is_missing_a_folder_or_too_large_is_the_same_error(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(b"[" + b"0," * 100 + b"0]")
    for name in ("missing", "folder", "large"):
        with pytest.raises(IntegrityError, match="damaged"):
            read_record(tmp_path / name, max_bytes=100)


def test_a_pipe_in_place_of_a_record_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IntegrityError, match="no regular file"):
        read_bounded(tmp_path / "pipe")


@pytest.mark.parametrize(
    "take",
    [
        lambda record: record["absent"],
        lambda record: record["text"]["field"],
        lambda record: float(record["text"]),
        lambda record: record["text"].shape,
        lambda record: record["list"][7],
        lambda record: int(record["large"]),
    ],
)
def test_a_field_that_is_not_what_was_written_is_the_same_error(tmp_path, take):
    record = {"text": "x", "list": [], "large": float("inf")}
    with pytest.raises(IntegrityError, match="damaged"), taking_apart(tmp_path / "done.json"):
        take(record)


def test_what_is_no_fault_of_a_record_passes_through(tmp_path):
    with pytest.raises(ZeroDivisionError), taking_apart(tmp_path / "done.json"):
        1 / 0  # noqa: B018


def test_a_table_has_the_columns_and_cells_that_were_written(tmp_path):
    path = tmp_path / "logits.csv"
    path.write_text('patient_id,logit\n"a,b",0.5\n')
    assert read_rows(path, ["patient_id", "logit"]) == [{"patient_id": "a,b", "logit": "0.5"}]
    for damaged in ("", "patient_id\na\n", "patient_id,logit\na\n", "patient_id,logit\na,1,2\n"):
        path.write_text(damaged)
        with pytest.raises(IntegrityError, match="damaged"):
            read_rows(path, ["patient_id", "logit"])


# Where outputs go


def test_a_device_is_written_straight_and_stays_a_device(tmp_path):
    device = tmp_path / "null"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    write_text(device, "nothing")
    assert stat.S_ISCHR(device.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["null"]


def test_a_pipe_passes_on_what_is_written(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there" / "a.csv", tmp_path / "link.csv"
    file.write_text("old")
    link.symlink_to(file)
    write_text(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"


@pytest.mark.parametrize("redirected", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_redirected_output_is_written_straight(tmp_path, redirected):
    program = (
        "import pathlib, sys; from pcrnet.storage import write_text\n"
        "write_text(pathlib.Path(sys.argv[1]), 'whole')"
    )
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", program, redirected], check=True, stdout=out)
    assert (tmp_path / "out").read_text() == "whole"
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (".", "it is a folder"),
        ("file/below.csv", "a file stands where a folder is needed"),
        ("n" * 300, "its name is too long"),
        ("/proc/nowhere/a.csv", "cannot be written"),
        ("/dev/full", "the disk is full"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_with_the_reason(tmp_path, place, reason):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=reason) as caught:
        write_text(tmp_path / place, "text" * 10_000)
    assert caught.value.file == str(tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_not_made_where_a_file_stands(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert make_folder(tmp_path / "a" / "b").is_dir()
    for place in ("file", "file/below"):
        with pytest.raises(OutputError, match="a file stands where a folder is needed"):
            make_folder(tmp_path / place)


def test_of_many_who_create_a_file_one_does_and_it_is_whole(tmp_path: Path) -> None:
    import threading

    path, start = tmp_path / "deep" / "claim", threading.Barrier(12)
    made: list[int] = []

    def attempt(number: int) -> None:
        start.wait()
        if create_once(path, bytes([number]) * 9000):
            made.append(number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == bytes([made[0]]) * 9000
    assert len(made) == 1
    assert list(path.parent.iterdir()) == [path]


def test_where_a_file_system_knows_no_links_one_creates_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert create_once(tmp_path / "claim", b"first")
    assert not create_once(tmp_path / "claim", b"second")
    assert (tmp_path / "claim").read_bytes() == b"first"


def test_two_who_write_one_file_at_once_leave_one_of_both(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as one, atomic_path(tmp_path / "a") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() in {"one", "other"}
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x08" + bytes(7) + b'{"a":1}'])
def test_arrays_that_are_none_are_named_with_the_remedy(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IntegrityError, match="the ridge cannot be loaded") as caught:
        read_arrays(path, "ridge", remedy="copy it again")
    assert caught.value.remedy == "copy it again"
