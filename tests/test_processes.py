"""Many processes: what they give back, what they tell, and how they end."""

import operator
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from pcrnet import processes
from pcrnet.errors import ProcessEndedError
from pcrnet.processes import in_processes, sparing_the_killed, tell, worker_number, worth_starting

_CALLS = [partial(operator.mul, number, 10) for number in range(7)]


def _run(calls, workers, **options):
    return in_processes(operator.call, calls, workers, doing="works", **options)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_has_its_result(workers):
    expected = {n: 10 * n for n in range(7)}
    assert dict(_run(_CALLS, workers)) == expected
    assert dict(sparing_the_killed(operator.call, _CALLS, workers)) == expected


def test_a_process_that_is_killed_is_an_error_that_says_what_it_was_at():
    calls = [*_CALLS, partial(os._exit, 9)]
    with pytest.raises(ProcessEndedError, match="a process that works was ended from outside"):
        list(_run(calls, 2))


def test_a_process_that_is_killed_costs_its_own_item_alone_where_that_is_wanted():
    killer = partial(os._exit, 9)
    calls = [*_CALLS[:2], killer, *_CALLS[3:5], killer, _CALLS[6]]
    found = dict(sparing_the_killed(operator.call, calls, 2))
    assert found == {0: 0, 1: 10, 2: None, 3: 30, 4: 40, 5: None, 6: 60}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_work_raises_is_raised(workers):
    with pytest.raises(ZeroDivisionError):
        list(_run([partial(operator.truediv, 1, 0), *_CALLS], workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_all_that_work_tells_is_heard_before_the_end(workers):
    heard = []
    list(_run([partial(tell, number) for number in range(50)], workers, listen=heard.append))
    assert sorted(heard) == list(range(50))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_listener_that_raises_is_the_error_and_ends_the_work_at_once(workers):
    def listen(message):
        raise LookupError(message)

    started = time.monotonic()
    with pytest.raises(LookupError, match="news"):
        list(_run([partial(tell, "news"), *[partial(time.sleep, 60)] * 3], workers, listen=listen))
    assert time.monotonic() - started < 30


def test_closing_early_ends_the_work_at_once():
    running = _run([_CALLS[3], *[partial(time.sleep, 60)] * 3], 2)
    assert next(running) == (0, 30)
    started = time.monotonic()
    running.close()
    assert time.monotonic() - started < 30


def test_workers_are_numbered_from_zero():
    numbers = dict(_run([worker_number] * 8, 2)).values()
    assert set(numbers) <= {0, 1}
    assert worker_number() == 0


def _threads_of_numpy():
    import scipy.linalg  # noqa: F401 - it brings a library of its own, after the limit was set

    return [pool["num_threads"] for pool in threadpool_info()]


def test_a_worker_has_one_thread():
    for found in dict(
        in_processes(operator.call, [_threads_of_numpy] * 2, 2, doing="counts")
    ).values():
        assert len(found) >= 2
        assert set(found) == {1}
    variable = partial(os.getenv, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    assert set(dict(_run([variable] * 2, 2)).values()) == {"1"}


def test_no_more_processes_than_cores_work_and_memory_allow(monkeypatch):
    monkeypatch.setattr(processes, "available_cores", lambda: 6)
    monkeypatch.setattr(processes, "available_memory", lambda: 10_000)
    assert worth_starting(100) == 6
    assert worth_starting(20, items_each=8) == 2
    assert worth_starting(100, bytes_each=3_000) == 3
    assert worth_starting(100, bytes_each=30_000) == 1
    monkeypatch.setattr(processes, "available_memory", lambda: None)
    assert worth_starting(100, bytes_each=30_000) == 6


def test_a_script_without_a_guard_is_not_run_again_by_its_workers(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import operator\n"
        "from functools import partial\n"
        "from pcrnet.processes import in_processes\n"
        "print('begins')\n"
        "calls = [partial(operator.mul, 2, 3)] * 4\n"
        "print(sorted(in_processes(operator.call, calls, 2, doing='works')))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["begins", str([(n, 6) for n in range(4)])]
    assert done.stderr == ""


_ASKS = """
import operator
from functools import partial
from pcrnet.processes import in_processes, process_context, warm_context
print("begins")
warm = warm_context(["there_is_no_such_module", "wsgiref.simple_server"])
for context in (warm, process_context(), warm_context(["wsgiref.handlers"])):
    calls = [partial(eval, "'wsgiref.simple_server' in __import__('sys').modules")] * 3
    found = in_processes(operator.call, calls, 2, doing="looks", context=context)
    print(sorted(set(known for _, known in found)))
"""


def test_warm_workers_have_imported_what_they_need_and_never_the_script(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(_ASKS)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["begins", "[True]", "[False]", "[True]"]
    assert done.stderr == ""


def test_a_server_that_was_killed_is_replaced(tmp_path):
    script = tmp_path / "again.py"
    script.write_text(
        "import operator, os, signal, time\n"
        "from pcrnet.processes import in_processes, warm_context\n"
        "def parents():\n"
        "    context = warm_context([])\n"
        "    found = in_processes(operator.call, [os.getppid] * 2, 2, doing='x', context=context)\n"
        "    return {server for _, server in found}\n"
        "(first,) = parents()\n"
        "os.kill(first, signal.SIGKILL)\n"
        "time.sleep(0.5)\n"
        "(second,) = parents()\n"
        "print(first != second != os.getpid())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "True\n"


_PARENT = """
import pathlib, signal, sys
from pcrnet.processes import in_processes, process_context, warm_context
from work import work
# A shell starts what runs in its background with SIGINT ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
context = eval(sys.argv[2])
list(in_processes(work, [sys.argv[1]] * 2, 2, doing="sleeps", context=context))
"""
_WORK = """
import os, pathlib, time
def work(folder):
    for process in (os.getpid(), os.getppid()):
        (pathlib.Path(folder) / str(process)).touch()
    time.sleep(300)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("context", ["process_context()", "warm_context([])"])
def test_workers_end_with_their_parent_however_it_ends(tmp_path, end, context):
    (tmp_path / "parent.py").write_text(_PARENT)
    (tmp_path / "work.py").write_text(_WORK)
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, str(tmp_path / "parent.py"), str(marks), context]
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    _wait_until(lambda: len(list(marks.iterdir())) == 3)
    # The workers, and what they were forked off, which is the parent or a server of its own.
    children = {int(mark.name) for mark in marks.iterdir()} - {parent.pid}
    assert len(children) == (3 if "warm" in context else 2)
    parent.send_signal(end)
    parent.wait(timeout=30)
    _wait_until(lambda: not any(_alive(child) for child in children))
    # Read to its end, which comes when the tracker of semaphores has ended, too.
    assert "semaphore" not in parent.communicate(timeout=30)[1]


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
