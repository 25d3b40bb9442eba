from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pcrnet.errors import RunError
from pcrnet.storage import write_json
from pcrnet.training import crossval
from pcrnet.training.crossval import collect_logits, run_fits
from pcrnet.training.events import EpochReport, FitFinished, RunEvent
from pcrnet.training.fit import DONE_FILE, LOGITS_FILE, FitJob
from pcrnet.training.plan import FitPlan, plan_fits

MakeJob = Callable[..., FitJob]

SIDE_BY_SIDE = """
import sys
from pcrnet.config.layers import load_experiment
from pcrnet.run.pipeline import train
from pcrnet.training.events import EpochReport

def tell(event):
    if isinstance(event, EpochReport):
        print("epoch", flush=True)

if __name__ == "__main__":
    train(load_experiment(sys.argv[1:]), tell)
"""


def test_fits_run_in_their_order_and_each_is_reported(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = plan_fits(3, "nested")
    ran: list[FitPlan] = []

    def fit(plan: FitPlan, job: FitJob, *, device_index: int, listen: object) -> bool:
        ran.append(plan)
        return len(plan.left_out) == 2

    monkeypatch.setattr(crossval, "run_fit", fit)
    told: list[RunEvent] = []
    run_fits(make_job(), plans, told.append)
    assert tuple(ran) == plans
    finished = [event for event in told if isinstance(event, FitFinished)]
    assert finished == [FitFinished(plan.name, len(plan.left_out) == 2) for plan in plans]


def test_logits_come_in_the_order_asked_for_and_nan_where_a_fit_has_none(
    make_job: MakeJob,
) -> None:
    job = make_job()
    plan = FitPlan((0, 1))
    folder = job.directory / plan.name
    folder.mkdir(parents=True)
    header = "patient_id,logit_yT0,logit_yN0_given_yT0,logit_yN0_given_residual\n"
    (folder / LOGITS_FILE).write_text(header + "B,1.5,2.5,-3.5\nA,0.1,0.2,0.30000000000000004\n")
    found = collect_logits(job, [plan], ["A", "C", "B"])
    expected = [[0.1, 0.2, 0.1 + 0.2], [np.nan] * 3, [1.5, 2.5, -3.5]]
    np.testing.assert_array_equal(found[(0, 1)], expected)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers get a thread each, as the run that they are compared with had."""
    monkeypatch.setattr(crossval, "available_cores", lambda: 2)


@pytest.mark.slow
@pytest.mark.usefixtures("two_cores")
def test_side_by_side_gives_the_same_bits_as_one_after_the_other(
    make_job: MakeJob, finished_run
) -> None:
    job = make_job("training.parallel_fits=2")
    plans = plan_fits(3, "nested")
    told: list[RunEvent] = []
    run_fits(job, plans, told.append)
    finished = [event.fit for event in told if isinstance(event, FitFinished)]
    assert sorted(finished) == sorted(plan.name for plan in plans)
    assert sum(isinstance(event, EpochReport) for event in told) == 2 * len(plans)
    for plan in plans:
        for name in ("model/network-0.safetensors", LOGITS_FILE):
            found = (job.directory / plan.name / name).read_bytes()
            assert found == (finished_run.directory / "folds" / plan.name / name).read_bytes()


def test_how_many_fits_run_at_a_time_does_not_unseal_a_finished_one(
    make_job: MakeJob,
) -> None:
    plan = FitPlan((0, 1))
    told: list[RunEvent] = []
    run_fits(make_job("training.max_epochs=1"), [plan], told.append)
    job = make_job("training.max_epochs=1", "training.parallel_fits=2")
    run_fits(job, [plan], told.append)  # one fit needs no worker
    finished = [event for event in told if isinstance(event, FitFinished)]
    assert [event.trained for event in finished] == [True, False]


@pytest.mark.slow
def test_what_is_wrong_in_a_worker_is_told_as_it_would_be_here(make_job: MakeJob) -> None:
    job = make_job("training.parallel_fits=2")
    plans = plan_fits(3, "nested")[:2]
    for plan in plans:
        write_json(
            job.directory / plan.name / DONE_FILE, {"fingerprint": "of other data", "files": {}}
        )
    with pytest.raises(RunError, match="have changed since") as caught:
        run_fits(job, plans, lambda event: None)
    assert "without-0-" in str(caught.value.file)


@pytest.mark.slow
def test_a_listener_that_raises_is_the_error_of_fits_side_by_side(make_job: MakeJob) -> None:
    def listen(event: RunEvent) -> None:
        raise LookupError("the console broke")

    with pytest.raises(LookupError, match="the console broke"):
        run_fits(make_job("training.parallel_fits=2"), plan_fits(3, "nested")[:2], listen)


def children(parent: int) -> set[int]:
    """Processes whose parent is ``parent``."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                status = (entry / "stat").read_text()
            except OSError:  # it has just ended
                continue
            if int(status.rpartition(")")[2].split()[1]) == parent:
                found.add(int(entry.name))
    return found


def alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs Linux's /proc")
def test_workers_end_with_a_parent_that_is_killed(
    tiny_trial, tmp_path: Path, one_thread: dict[str, str]
) -> None:
    script = tmp_path / "side_by_side.py"
    script.write_text(SIDE_BY_SIDE)
    settings = tiny_trial.settings(tmp_path, "training.parallel_fits=2", "training.max_epochs=5000")
    command = [sys.executable, str(script), *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=one_thread) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "epoch\n"
        workers = children(parent.pid)
        assert len(workers) >= 2
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 30
        while any(map(alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(alive, workers))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")
def test_a_signal_of_slurm_leaves_nothing_outside_the_run(
    tiny_trial, tmp_path: Path, one_thread: dict[str, str]
) -> None:
    """Lightning's handler would write hpc_ckpt_1.ckpt here, and every later fit begin from it."""
    script, work = tmp_path / "train.py", tmp_path / "work"
    script.write_text(SIDE_BY_SIDE)
    work.mkdir()
    slurm = {"SLURM_JOB_ID": "11", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2"}
    slurm |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    command = [sys.executable, str(script)]
    command += tiny_trial.settings(tmp_path, "training.max_epochs=5000")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=one_thread | slurm, cwd=work
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "epoch\n"
        parent.send_signal(signal.SIGUSR1)
        parent.wait(timeout=60)
    assert parent.returncode == -signal.SIGUSR1
    assert not list(work.iterdir())


def test_linear_algebra_of_a_fit_has_one_thread(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[int]] = []

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    def fit(plan: FitPlan, job: FitJob, *, device_index: int, listen: object) -> bool:
        seen.append(threads())
        return True

    monkeypatch.setattr(crossval, "run_fit", fit)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        run_fits(make_job(), plan_fits(3, "nested")[:1], lambda event: None)
        assert threads() == before
    assert before == {2}
    assert seen == [{1}]
