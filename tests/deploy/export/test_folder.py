"""An export appears whole, and takes nobody's place."""

import pytest

from pcrnet.deploy.export.folder import new_folder
from pcrnet.errors import OutputError


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


def test_an_empty_folder_may_be_named(tmp_path):
    with new_folder(tmp_path) as folder:
        (folder / "file").write_text("text")
    assert (tmp_path / "file").is_file()
