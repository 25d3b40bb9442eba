"""Who is alive: by this machine's own clock, or at once where a process is seen to be gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from pcrnet.storage import write_json
from pcrnet.sweeps.folder.workers import (
    Watcher,
    WorkerFile,
    hours_at_work,
    machine_name,
    process_start,
)


def record(folder, name, touched=None, **more):
    path = folder / f"{name}.json"
    write_json(path, {"machine": "elsewhere", "pid": 1, "start": "1", "began": 0.0, **more})
    if touched is not None:
        os.utime(path, (touched, touched))
    return path


def test_a_worker_elsewhere_is_dead_once_its_file_has_not_changed_for_so_long(tmp_path):
    now = [0.0]
    watcher = Watcher(tmp_path, patience_s=10.0, clock=lambda: now[0])
    path = record(tmp_path, "far", touched=5.0)
    assert not watcher.is_dead("far")
    now[0] = 9.0
    assert not watcher.is_dead("far")
    os.utime(path, (6.0, 6.0))
    now[0] = 15.0
    assert not watcher.is_dead("far")
    now[0] = 25.1
    assert watcher.is_dead("far")


@pytest.mark.parametrize("touched", [1.0, 4e9])
def test_clocks_that_are_years_off_change_nothing(tmp_path, touched):
    watcher = Watcher(tmp_path, patience_s=10.0)
    record(tmp_path, "far", touched=touched)
    assert not watcher.is_dead("far")


@pytest.mark.skipif(not machine_name(), reason="needs Linux's /proc")
def test_a_process_of_this_machine_that_is_gone_is_dead_at_once(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = process_start(process.pid)
    record(tmp_path, "near", machine=machine_name(), pid=process.pid, start=start)
    watcher = Watcher(tmp_path, patience_s=1e6)
    assert not watcher.is_dead("near")
    process.kill()
    process.wait()
    assert watcher.is_dead("near")


@pytest.mark.skipif(not machine_name(), reason="needs Linux's /proc")
def test_a_number_that_another_process_has_inherited_is_no_sign_of_life(tmp_path):
    record(tmp_path, "near", machine=machine_name(), pid=os.getpid(), start="12")
    assert Watcher(tmp_path, patience_s=1e6).is_dead("near")


def test_a_worker_is_seen_while_it_is_at_work_and_known_to_have_ended(tmp_path):
    beats = []
    worker = WorkerFile(tmp_path, beat_s=0.02, on_beat=lambda: beats.append(1))
    watcher = Watcher(tmp_path, patience_s=60.0)
    with worker.at_work():
        before = (tmp_path / f"{worker.name}.json").stat().st_mtime_ns
        time.sleep(0.3)
        assert (tmp_path / f"{worker.name}.json").stat().st_mtime_ns > before
        assert not watcher.is_dead(worker.name)
    assert len(beats) >= 3
    assert watcher.is_dead(worker.name)


def test_hours_are_those_in_which_anybody_was_at_work(tmp_path):
    hour = 3600.0
    record(tmp_path, "a", began=0.0, ended=2 * hour)
    record(tmp_path, "b", began=1 * hour, ended=3 * hour)  # an hour beside the first
    record(tmp_path, "c", began=10 * hour, touched=11 * hour)  # later, and killed
    (tmp_path / "d.json").write_text("{")
    assert hours_at_work(tmp_path) == pytest.approx(4.0)
