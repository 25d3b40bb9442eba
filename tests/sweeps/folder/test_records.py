"""Records of a sweep are read back as written, or refused."""

from __future__ import annotations

import pytest

from pcrnet.errors import IntegrityError
from pcrnet.sweeps.folder.records import (
    FitNote,
    ProposedTrial,
    TrialBatch,
    TrialResult,
    read_batch,
    read_note,
    read_result,
    write_batch,
    write_note,
    write_result,
)

BATCH = TrialBatch((ProposedTrial(0, "a", {"model.width": 16, "b": [1, "x"]}, {"p": None}),))


def test_what_is_written_is_read_back(tmp_path):
    assert write_batch(tmp_path / "b", BATCH)
    assert read_batch(tmp_path / "b") == BATCH
    result = TrialResult("complete", 0.5, 6, 1.5, {"yT0": {"auc": None}}, (0.1, None))
    write_result(tmp_path / "r", result)
    assert read_result(tmp_path / "r") == result
    note = FitNote(1.5, (0.25, None), (0.5,))
    write_note(tmp_path / "n", note)
    assert read_note(tmp_path / "n") == note


def test_the_first_batch_that_is_written_stays(tmp_path):
    assert write_batch(tmp_path / "b", BATCH)
    assert not write_batch(tmp_path / "b", TrialBatch((), "closed"))
    assert read_batch(tmp_path / "b") == BATCH


@pytest.mark.parametrize("read", [read_batch, read_result, read_note])
def test_damage_is_said(tmp_path, read):
    write_batch(tmp_path / "b", BATCH)
    text = (tmp_path / "b").read_text()
    for damage in (text[:-20], text.replace("16", "17"), "[]", "{}"):
        (tmp_path / "b").write_text(damage)
        with pytest.raises(IntegrityError):
            read(tmp_path / "b")
