from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.errors import OutputError
from pcrnet.training.lightning.resume import Start, find_start, forget, keep

OWN, OTHER = "a" * 64, "b" * 64


def save(content: str, directory: Path, fingerprint: str = OWN) -> Path:
    keep(directory, fingerprint, lambda path: path.write_text(content) and None)
    start = find_start(directory, fingerprint)
    assert start.checkpoint is not None
    return start.checkpoint


def test_the_last_whole_checkpoint_is_where_a_fit_starts(tmp_path: Path) -> None:
    assert find_start(tmp_path, OWN) == Start(OWN, None)
    save("epoch 1", tmp_path)
    assert save("epoch 2", tmp_path).read_text() == "epoch 2"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failed_save_leaves_the_point_before_it(tmp_path: Path) -> None:
    kept = save("epoch 1", tmp_path)

    def disk_full(path: Path) -> None:
        path.write_text("epo")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="disk is full"):
        keep(tmp_path, OWN, disk_full)
    assert list(tmp_path.iterdir()) == [kept]
    assert find_start(tmp_path, OWN).checkpoint == kept


@pytest.mark.parametrize("damage", ["", "epoch", "epoch 2"])
def test_a_damaged_point_is_not_used_and_that_is_said(tmp_path: Path, damage: str) -> None:
    save("epoch 1", tmp_path).write_text(damage)
    start = find_start(tmp_path, OWN)
    assert start.checkpoint is None
    assert "damaged" in start.remark


def test_a_point_of_another_fit_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    save("epoch 1", tmp_path, OTHER)
    start = find_start(tmp_path, OWN)
    assert start.checkpoint is None
    assert "of other scans" in start.remark


def test_a_point_of_an_older_version_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "resume.ckpt").write_text("epoch 1")
    (tmp_path / "resume.ckpt.sha256").write_text("0" * 64)
    assert find_start(tmp_path, OWN).checkpoint is None


def test_nothing_of_it_is_left_afterwards(tmp_path: Path) -> None:
    save("epoch 1", tmp_path)
    (tmp_path / ".123.partial.resume").touch()
    (tmp_path / "weights.safetensors").touch()
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
