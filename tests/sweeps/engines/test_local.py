"""Workers on this machine: how many, what ends them, and that none is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from pcrnet.config.sweep import LocalEngine, SweepConfig
from pcrnet.config.training import TrainingConfig
from pcrnet.errors import ProcessEndedError, RunError
from pcrnet.sweeps.engines import local as module
from pcrnet.sweeps.engines.command import work_command
from pcrnet.sweeps.engines.local import run_local, workers_here
from pcrnet.sweeps.folder.layout import SweepLayout


def test_a_worker_that_finds_a_fault_ends_the_sweep_with_its_words(tmp_path, begun):
    _, layout = begun()
    layout.begun.write_text('{"code": "another"}')
    with pytest.raises(RunError, match="another version of pcrnet"):
        run_local(layout, 1, tmp_path / "logs", lambda: 0)


def test_a_worker_ends_with_who_started_it(begun):
    """Its standard input is the rope: cut it and it goes, whatever it is at."""
    _, layout = begun()
    process = subprocess.Popen(
        work_command(layout.path, attached=True), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    process.stdin.close()
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() not in (None, 0)


def test_auto_means_what_cores_and_threads_allow():
    config = SweepConfig(name="a", space={"model.width": (1, 2)}, threads=1_000)
    training = TrainingConfig(accelerator="cpu")
    assert workers_here(LocalEngine(), config, training) == 1
    assert workers_here(LocalEngine(workers=5), config, training) == 5
    assert (
        1
        <= workers_here(LocalEngine(), config.model_copy(update={"threads": 1}), training)
        <= len(os.sched_getaffinity(0))
    )


def stand_in(monkeypatch, program):
    """Workers that run a line of Python instead."""
    monkeypatch.setattr(module, "_POLL_S", 0.02)
    monkeypatch.setattr(
        module, "work_command", lambda *args, **kwargs: [sys.executable, "-c", program]
    )


def test_a_worker_that_is_killed_is_replaced_until_it_is_vain(monkeypatch, tmp_path):
    stand_in(
        monkeypatch,
        f"import os, signal; open({str(tmp_path / 'starts')!r}, 'a').write('.');"
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    with pytest.raises(ProcessEndedError, match="SIGKILL"):
        run_local(SweepLayout(tmp_path), 1, tmp_path / "logs", lambda: 0)
    assert len((tmp_path / "starts").read_text()) == module._MOST_VAIN_ENDS + 1


def test_its_last_words_are_those_of_its_error(monkeypatch, tmp_path):
    stand_in(monkeypatch, "import sys; print('error: no such scan'); print('later'); sys.exit(2)")
    with pytest.raises(RunError, match="exit code 2: no such scan") as caught:
        run_local(SweepLayout(tmp_path), 2, tmp_path / "logs", lambda: 0)
    assert str(tmp_path / "logs") in caught.value.file


def test_nobody_is_left_behind_when_the_polling_fails(monkeypatch, tmp_path):
    stand_in(
        monkeypatch,
        f"import os, time; open({str(tmp_path)!r} + f'/{{os.getpid()}}.pid', 'w'); time.sleep(60)",
    )

    def poll():
        if len(list(tmp_path.glob("*.pid"))) == 2:
            raise ZeroDivisionError
        return 0

    with pytest.raises(ZeroDivisionError):
        run_local(SweepLayout(tmp_path), 2, tmp_path / "logs", poll)
    for path in tmp_path.glob("*.pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.stem), 0)
