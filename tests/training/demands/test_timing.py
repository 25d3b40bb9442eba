"""The record of what training took: sums over networks, and its line."""

import json

import pytest

from pcrnet.training.crossval import run_fits
from pcrnet.training.demands.timing import THROUGHPUT_FILE, Timekeeper, in_a_line, throughput
from pcrnet.training.events import EpochReport, FitTimed, Remark
from pcrnet.training.plan import FitPlan


def _timed(**changes):
    values = {
        "fit": "a",
        "patients": 30,
        "steps": 5,
        "seconds": 10.0,
        "waiting": 1.0,
        "augmentation": 2.0,
        "step": 6.0,
        "peak_bytes": 3_000_000,
        "gpu_peak_bytes": 0,
    }
    return FitTimed(**values | changes)


def test_shares_are_of_the_time_of_all_networks_and_add_up_to_one():
    record = throughput([_timed(), _timed(seconds=30.0, step=22.0, peak_bytes=9)], seconds=20.0)
    assert record["share"] == {"waiting": 0.05, "augmentation": 0.1, "step": 0.7, "rest": 0.15}
    assert record["samples_per_s"] == 3.0  # side by side: 60 patients in 20 seconds
    assert record["milliseconds_a_step"] == 4000.0
    assert record["peak_bytes"] == 3_000_000


def test_the_line_says_shares_rate_and_memory():
    line = in_a_line(throughput([_timed()], seconds=10.0))
    assert line == (
        "time of training: 10 % waiting, 20 % augmentation, 60 % step, 10 % rest; "
        "3 patients a second, 3 MB at most in a process"
    )


def test_a_run_that_trains_nothing_writes_no_record(make_job):
    job = make_job()
    heard = []
    Timekeeper(heard.append).conclude(job, 1.0, 1)
    assert not heard
    assert not (job.directory / THROUGHPUT_FILE).exists()


@pytest.mark.slow
def test_real_fits_leave_a_record_and_say_it_once(make_job, single_thread):
    job, heard = make_job("training.max_epochs=2"), []
    run_fits(job, [FitPlan((0, 1)), FitPlan((2,))], heard.append)
    record = json.loads((job.directory / THROUGHPUT_FILE).read_text())
    timed = [event for event in heard if isinstance(event, FitTimed)]
    epochs = [event for event in heard if isinstance(event, EpochReport)]
    assert len(timed) == record["networks"] == 2
    assert len(epochs) == 4
    assert record["patients"] == sum(one.patients for one in timed)
    assert sum(record["share"].values()) == pytest.approx(1.0, abs=1e-3)
    assert all(0.0 <= share <= 1.0 for share in record["share"].values())
    assert sum(isinstance(e, Remark) and "time of training" in e.text for e in heard) == 1
    run_fits(job, [FitPlan((0, 1))], heard.append)  # finished before: the record stays
    assert json.loads((job.directory / THROUGHPUT_FILE).read_text()) == record
