"""Workers as SLURM jobs: what is asked for, what is said when all have ended for nothing."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from pcrnet.config.sweep import SlurmEngine
from pcrnet.errors import RunError
from pcrnet.storage import write_json
from pcrnet.sweeps.engines import on_slurm as module
from pcrnet.sweeps.engines.on_slurm import Job, run_on_slurm
from pcrnet.sweeps.folder.layout import SweepLayout


class Executor:
    """submitit's, as far as it is used here; its jobs end when they are asked."""

    def __init__(self, folder, cluster):
        self.folder, self.cluster = folder, cluster
        self.options, self.submitted = {}, []
        self.words = "error: out of scans"
        Executor.last = self

    def update_parameters(self, **options):
        self.options = options

    def batch(self):
        return nullcontext()

    def submit(self, job):
        self.submitted.append(job)
        return SimpleNamespace(
            done=lambda: True, stderr=lambda: f"noise\n{self.words}\n", job_id="7", state="FAILED"
        )


@pytest.fixture
def slurm(monkeypatch):
    monkeypatch.setattr(module, "submitit_module", lambda: SimpleNamespace(AutoExecutor=Executor))


def test_a_job_is_asked_for_as_the_settings_say(slurm, tmp_path):
    layout = SweepLayout(tmp_path / "one")
    write_json(layout.finished, {})
    engine = SlurmEngine(workers=3, partition="gpu", cpus=4, gpus=1, memory_gb=6.5, hours=1.5)
    run_on_slurm(layout, engine, tmp_path / "logs", lambda: None)
    made = Executor.last
    assert made.cluster == "slurm"
    assert len(made.submitted) == 3
    assert made.options == {
        "name": "pcrnet-one",
        "timeout_min": 90,
        "cpus_per_task": 4,
        "gpus_per_node": 1,
        "mem_gb": 6.5,
        "slurm_partition": "gpu",
    }


def test_the_stand_in_on_this_machine_knows_no_partition(slurm, tmp_path):
    layout = SweepLayout(tmp_path / "one")
    write_json(layout.finished, {})
    engine = SlurmEngine(cluster="local", partition="gpu", hours=0.001)
    run_on_slurm(layout, engine, tmp_path / "logs", lambda: None)
    assert "slurm_partition" not in Executor.last.options
    assert Executor.last.options["timeout_min"] == 1


def test_jobs_that_end_before_the_sweep_are_quoted(slurm, tmp_path):
    with pytest.raises(RunError, match="all jobs have ended and the sweep has not: error: out of"):
        run_on_slurm(SweepLayout(tmp_path), SlurmEngine(), tmp_path / "logs", lambda: None)


def test_without_slurm_it_is_said_and_what_else_there_is(monkeypatch, tmp_path):
    def refuse(**options):
        raise RuntimeError("Could not figure out which environment you are in")

    monkeypatch.setattr(module, "submitit_module", lambda: SimpleNamespace(AutoExecutor=refuse))
    with pytest.raises(RunError, match="no SLURM") as caught:
        run_on_slurm(SweepLayout(tmp_path), SlurmEngine(), tmp_path / "logs", lambda: None)
    assert "cluster=local" in caught.value.remedy


def test_a_job_is_its_command_and_queued_again_as_it_was(monkeypatch):
    job = Job([sys.executable, "-c", "import sys; sys.exit(5)"])
    assert job() == 5
    helpers = SimpleNamespace(DelayedSubmission=lambda again: ("again", again))
    monkeypatch.setattr(module, "submitit_module", lambda: SimpleNamespace(helpers=helpers))
    assert job.checkpoint() == ("again", job)
