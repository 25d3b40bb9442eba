"""Exports and bundles appear whole; only a bundle takes another's place."""

import subprocess
import sys
from pathlib import Path

import pytest

from pcrnet.deploy.folders import folder_draft, new_folder, replace_folder
from pcrnet.drafts import draft_of
from pcrnet.errors import OutputError
from pcrnet.storage import make_folder


def test_a_folder_appears_when_the_block_has_succeeded(tmp_path):
    out = tmp_path / "made" / "out"
    with new_folder(out) as folder:
        (folder / "file").write_text("text")
        assert not out.exists()
    assert (out / "file").read_text() == "text"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_error_leaves_nothing(tmp_path):
    def fail():
        with new_folder(tmp_path / "out") as folder:
            (folder / "file").write_text("text")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())


def test_what_stands_there_is_not_replaced(tmp_path):
    (tmp_path / "mine").write_text("precious")
    for out in (tmp_path, tmp_path / "mine"):
        with pytest.raises(OutputError, match="replaces nothing"), new_folder(out):
            pass
    assert (tmp_path / "mine").read_text() == "precious"


def test_of_two_that_make_the_same_folder_the_first_is_whole_and_the_second_refused(tmp_path):
    out = tmp_path / "out"

    def late():
        with new_folder(out) as second:
            (second / "graph").write_text("of the second")
            with new_folder(out) as first:
                (first / "graph").write_text("of the first")
                (first / "contract").write_text("of the first")

    with pytest.raises(OutputError, match="replaces nothing"):
        late()
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "graph": "of the first",
        "contract": "of the first",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["out", "another"])
def test_what_a_killed_process_has_left_goes_and_what_a_living_one_makes_stays(tmp_path, name):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys, pathlib; from pcrnet.drafts import draft_of\n"
            "from pcrnet.storage import make_folder\n"
            "make_folder(draft_of(pathlib.Path(sys.argv[1]))).joinpath('file').touch()\n"
            "os._exit(9)",
            str(tmp_path / name),
        ],
        check=False,
    )
    assert done.returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    mine = make_folder(draft_of(tmp_path / "out"))
    with new_folder(tmp_path / "out"):
        assert mine.is_dir()
        assert len(list(tmp_path.iterdir())) == 2


def test_an_empty_folder_may_be_named(tmp_path):
    with new_folder(tmp_path) as folder:
        (folder / "file").write_text("text")
    assert (tmp_path / "file").is_file()


def test_a_draft_takes_the_place_of_the_folder_that_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for text in ("old", "new"):
        with folder_draft(out) as draft:
            (draft / text).write_text(text)
            replace_folder(draft, out)
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_of_drafts_of_one_folder_none_disturbs_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with folder_draft(out) as first, folder_draft(out) as second:
        for draft in (first, second):
            (draft / "name").write_text(draft.name)
        replace_folder(second, out)
        replace_folder(first, out)
        assert (out / "name").read_text() == first.name
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_processes_that_replace_a_folder_at_once_leave_a_whole_one(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from pcrnet.deploy.folders import folder_draft, replace_folder\n"
        "out = pathlib.Path(sys.argv[1])\n"
        "for _ in range(100):\n"
        "    with folder_draft(out) as draft:\n"
        "        for name in 'abc': (draft / name).write_text(sys.argv[2])\n"
        "        replace_folder(draft, out)\n"
    )
    out = tmp_path / "out"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(out), str(n)]) for n in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert {path.name for path in out.iterdir()} == set("abc")
    assert len({path.read_text() for path in out.iterdir()}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_no_folder_to_replace(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with (
        pytest.raises(OutputError, match="a file stands"),
        folder_draft(tmp_path / "out") as draft,
    ):
        replace_folder(draft, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "precious"
