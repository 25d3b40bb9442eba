"""The bar is for eyes; a log gets a line at the start, then now and then."""

import io
import sys

import pytest

from pcrnet.run import progress_bar as module
from pcrnet.run.progress_bar import SECONDS_BETWEEN_LINES, ProgressBar, so_far


@pytest.fixture
def clock(monkeypatch):
    """Time in seconds, which goes on when it is set."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_short_job_has_one_line_in_a_log_and_nothing_on_standard_output(capsys, clock):
    with ProgressBar("working", "patients") as bar:
        for done in range(3):
            bar.update(done + 1, 3)
    assert capsys.readouterr() == ("", "working\n")


def test_a_log_says_at_most_every_half_minute_how_far_a_job_is(capsys, clock):
    with ProgressBar("predicting", "patients") as bar:
        for done in range(1, 13):
            clock[0] += SECONDS_BETWEEN_LINES / 4
            bar.update(done, 12)
    said = capsys.readouterr().err.splitlines()
    assert said == ["predicting", *(f"predicting: {n} of 12 patients" for n in (4, 8, 12))]


def test_parts_without_a_name_are_told_in_percent():
    assert so_far("explaining", 37, 100) == "explaining: 37 %"
    assert so_far("explaining", 0, 0) == "explaining: 0 %"


def test_a_terminal_has_the_bar_and_no_lines(monkeypatch, clock):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with ProgressBar("predicting", "patients") as bar:
        clock[0] += 2 * SECONDS_BETWEEN_LINES
        bar.update(4, 12)
    assert "33%" in stream.getvalue()
    assert "4 of 12 patients" not in stream.getvalue()
