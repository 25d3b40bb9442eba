"""Figures of the machine: sums by hand where the time is made up, and nothing left behind."""

import errno
import time
from types import SimpleNamespace

import pytest
import torch

from pcrnet.config.layers import load_experiment
from pcrnet.doctor import bench as module
from pcrnet.doctor.bench import MachineFigure, measure
from pcrnet.errors import OutputError

CPU = torch.device("cpu")


def experiment(tmp_path, *more):
    return load_experiment(["model.kind=clinical", f"run.root={tmp_path / 'runs'}", *more])


@pytest.fixture
def quick(monkeypatch):
    """Everything measured in a moment."""
    monkeypatch.setattr(module, "_EACH_S", 0.02)
    monkeypatch.setattr(module, "_FILE_BYTES", 2 << 20)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 1 << 20)


def test_every_figure_is_measured_and_nothing_stays_on_the_disk(quick, tmp_path):
    threads = torch.get_num_threads()
    found = list(measure(experiment(tmp_path), 0, threads))
    assert [(each.title, each.unit) for each in found] == [
        ("matrix product, float32", "GFLOP/s"),
        ("matrix product, bf16", "GFLOP/s"),
        ("memory, copying", "GB/s"),
        ("disk, writing", "MB/s"),
        ("disk, reading", "MB/s"),
    ]
    assert all(each.value > 0 for each in found)
    assert list((tmp_path / "runs").iterdir()) == []
    assert torch.get_num_threads() == threads


def test_a_network_is_timed_where_there_is_one(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "time_step", lambda *args, **kwargs: SimpleNamespace(seconds=0.25, steps=1)
    )
    found = list(measure(experiment(tmp_path, "model.kind=network"), 0, 1))
    assert MachineFigure("a step of the network", 250.0, "ms") in found


def test_rates_are_operations_and_bytes_by_seconds(monkeypatch):
    monkeypatch.setattr(module, "_seconds", lambda work, device: 0.5)
    # At half a second the first size is large enough: 2·256³ operations, 2·128 MiB copied.
    assert module._matmul(CPU, torch.float32) == pytest.approx(2 * 256**3 / 0.5 / 1e9)
    assert module._copying(CPU) == pytest.approx(2 * (128 << 20) / 0.5 / 1e9)


def test_the_shortest_time_counts_and_the_first_does_not(monkeypatch):
    monkeypatch.setattr(module, "_EACH_S", 0.0)
    waits = iter([0.0, 0.04, 0.02])
    best = module._seconds(lambda: time.sleep(next(waits)), CPU)
    assert 0.02 <= best < 0.04


def test_a_disk_that_cannot_be_written_is_an_error_in_words(quick, tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(module.os, "fsync", refuse)
    with pytest.raises(OutputError, match="the disk is full"):
        list(module._disk(tmp_path))
    assert list(tmp_path.iterdir()) == []
