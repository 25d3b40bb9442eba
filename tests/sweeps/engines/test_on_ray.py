"""Workers on Ray: what is refused before anything waits, and what a node does with a worker."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from pcrnet.config.sweep import RayEngine
from pcrnet.errors import RunError
from pcrnet.sweeps.engines import on_ray as module
from pcrnet.sweeps.engines.on_ray import _check_resources, _worker, run_on_ray
from pcrnet.sweeps.folder.layout import SweepLayout


def test_what_a_cluster_could_never_give_is_refused_instead_of_waited_for():
    with pytest.raises(RunError, match="the whole cluster has 0"):
        _check_resources({"CPU": 2.0}, RayEngine(gpus=1.0))
    _check_resources({"CPU": 2.0}, RayEngine(cpus=2.0))


def test_a_node_tells_how_a_worker_ended_and_its_last_line(tmp_path):
    log = tmp_path / "ray-0.log"
    program = "import os, sys; print('first'); print(os.environ['MARK']); sys.exit(3)"
    assert _worker([sys.executable, "-c", program], str(log), {"MARK": "given"}) == (3, "given")
    assert log.read_text().split() == ["first", "given"]


class Cluster:
    """Ray as far as it is used here, in this process."""

    def __init__(self, answers, **resources):
        self.answers, self.resources = list(answers), resources
        self.started, self.down = None, False

    def init(self, **options):
        self.started = options

    def shutdown(self):
        self.down = True

    def cluster_resources(self):
        return self.resources

    def remote(self, **options):
        return lambda work: SimpleNamespace(remote=lambda *args: self.answers.pop(0))

    def wait(self, waiting, timeout):
        return waiting[:1], waiting[1:]

    def get(self, done):
        return done


def run(monkeypatch, tmp_path, cluster, engine):
    polls = []
    monkeypatch.setattr(module, "ray_module", lambda: cluster)
    run_on_ray(SweepLayout(tmp_path), engine, tmp_path / "logs", lambda: polls.append(1))
    return len(polls)


def test_all_workers_are_waited_for_and_the_cluster_is_left(monkeypatch, tmp_path):
    cluster = Cluster([(0, ""), (0, "")], CPU=4.0)
    assert run(monkeypatch, tmp_path, cluster, RayEngine(workers=2, cpus=2.0)) == 2
    assert cluster.down
    assert cluster.started["num_cpus"] == 4.0  # one that is started here has room for all
    assert cluster.started["include_dashboard"] is False


def test_a_running_cluster_is_joined_as_it_is(monkeypatch, tmp_path):
    cluster = Cluster([(0, "")], CPU=64.0)
    run(monkeypatch, tmp_path, cluster, RayEngine(workers=1, address="auto"))
    assert cluster.started["address"] == "auto"
    assert "num_cpus" not in cluster.started


def test_a_fault_ends_it_in_the_workers_words_and_leaves_the_cluster(monkeypatch, tmp_path):
    cluster = Cluster([(2, "error: no such scan")], CPU=4.0)
    with pytest.raises(RunError, match="exit code 2: error: no such scan"):
        run(monkeypatch, tmp_path, cluster, RayEngine(workers=1))
    assert cluster.down
