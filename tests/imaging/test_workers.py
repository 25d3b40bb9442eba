"""Work on many patients at once, in processes."""

import operator
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from pcrnet.imaging.workers import in_processes

_CALLS = [partial(operator.mul, number, 10) for number in range(7)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_has_its_result(workers):
    assert dict(in_processes(operator.call, _CALLS, workers)) == {n: 10 * n for n in range(7)}


def test_a_process_that_is_killed_costs_its_own_item_alone():
    killer = partial(os._exit, 9)
    calls = [*_CALLS[:2], killer, *_CALLS[3:5], killer, _CALLS[6]]
    found = dict(in_processes(operator.call, calls, 2))
    assert found == {0: 0, 1: 10, 2: None, 3: 30, 4: 40, 5: None, 6: 60}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_work_raises_is_raised(workers):
    with pytest.raises(ZeroDivisionError):
        list(in_processes(operator.call, [partial(operator.truediv, 1, 0), *_CALLS], workers))


def test_a_worker_has_one_thread():
    pools = dict(in_processes(operator.call, [threadpool_info] * 2, 2))
    assert all(pool["num_threads"] == 1 for found in pools.values() for pool in found)
    assert all(pools.values())
    variable = partial(os.getenv, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    assert set(dict(in_processes(operator.call, [variable] * 2, 2)).values()) == {"1"}


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    marks = tmp_path / "marks"
    marks.mkdir()
    script.write_text(
        "import os, sys, time, pathlib\n"
        "from pcrnet.imaging.workers import in_processes\n"
        "def work(folder):\n"
        "    (pathlib.Path(folder) / str(os.getpid())).touch()\n"
        "    time.sleep(300)\n"
        "if __name__ == '__main__':\n"
        "    list(in_processes(work, [sys.argv[1]] * 2, 2))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script), str(marks)])
    _wait_until(lambda: len(list(marks.iterdir())) == 2)
    children = [int(mark.name) for mark in marks.iterdir()]
    parent.kill()
    parent.wait()
    _wait_until(lambda: not any(_alive(child) for child in children))


def _alive(process: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _wait_until(holds) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen within a minute")
