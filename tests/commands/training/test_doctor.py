"""``pcrnet doctor`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.cli import main
from pcrnet.config.experiment import Experiment
from pcrnet.doctor import examination


def test_a_cohort_that_is_not_there_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", f"data.cohort={tmp_path / 'none.csv'}"]) == 2
    assert "none.csv" in capsys.readouterr().err


@pytest.mark.parametrize("bench", [False, True])
def test_a_file_and_settings_over_it_are_examined_and_lines_come_as_they_are_found(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    bench: bool,
) -> None:
    asked: list[Experiment] = []

    def examine(experiment: Experiment, say, *, bench: bool) -> None:
        asked.append(experiment)
        say(f"bench: {bench}")
        assert capsys.readouterr().out == f"bench: {bench}\n"  # said before it returns
        say("fits")

    monkeypatch.setattr(examination, "examine", examine)
    file = tmp_path / "own.yaml"
    file.write_text("training: {max_epochs: 3, batch_size: 5}\n")
    options = ["--bench"] if bench else []
    assert main(["doctor", str(file), "--training.max_epochs=4", *options]) == 0
    assert capsys.readouterr().out == "fits\n"
    (experiment,) = asked
    assert (experiment.training.max_epochs, experiment.training.batch_size) == (4, 5)
