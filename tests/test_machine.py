"""Cores and memory as container and scheduler allow, read from made-up files of both versions."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from pcrnet import machine
from pcrnet.machine import available_cores, available_memory, in_words, peak_memory

_GB = 1_000_000_000


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Writes files below a made-up /sys/fs/cgroup and /proc, on a machine of eight cores."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("proc/meminfo", f"MemTotal: 1 kB\nMemAvailable: {64 * _GB // 1024} kB\n")
    return write


def test_affinity_counts_the_cores(tree, monkeypatch):
    assert available_cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5})
    assert available_cores() == 2


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("damaged", 8)],
)
def test_a_quota_of_cgroups_version_2_limits_them(tree, quota, cores):
    tree("proc/self/cgroup", "0::/outer/inner\n")
    tree("cgroup/outer/cpu.max", quota)
    tree("cgroup/outer/inner/cpu.max", "max 100000")
    assert available_cores() == cores


def test_a_quota_of_cgroups_version_1_limits_them(tree):
    tree("proc/self/cgroup", "4:cpu,cpuacct:/job\n0::/\n")
    tree("cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "300000\n")
    tree("cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n")
    assert available_cores() == 3


def test_within_a_container_the_root_of_the_cgroup_is_what_limits(tree):
    tree("proc/self/cgroup", "0::/docker/0123\n")  # a path of the host, unseen from inside
    tree("cgroup/cpu.max", "400000 100000")
    assert available_cores() == 4


def test_memory_is_what_the_tightest_cgroup_has_left(tree):
    assert available_memory() == pytest.approx(64 * _GB, abs=1024)
    tree("proc/self/cgroup", "0::/job\n")
    tree("cgroup/job/memory.max", str(16 * _GB))
    tree("cgroup/job/memory.current", str(10 * _GB))
    tree("cgroup/job/memory.stat", f"anon 1\ninactive_file {3 * _GB}\n")
    assert available_memory() == 9 * _GB


def test_memory_of_version_1_and_without_a_limit(tree):
    tree("proc/self/cgroup", "4:memory:/job\n")
    tree("cgroup/memory/job/memory.limit_in_bytes", str(2**63 - 4096))
    tree("cgroup/memory/job/memory.usage_in_bytes", str(_GB))
    assert available_memory() == pytest.approx(64 * _GB, abs=1024)
    tree("cgroup/memory/memory.limit_in_bytes", str(5 * _GB))
    tree("cgroup/memory/memory.usage_in_bytes", str(2 * _GB))
    assert available_memory() == 3 * _GB


def test_where_nothing_tells_the_memory_is_unknown(tree, tmp_path):
    (tmp_path / "proc" / "meminfo").unlink()
    assert available_memory() is None


def test_bytes_are_said_as_people_do():
    assert [in_words(2_340_000_000), in_words(56_700_000)] == ["2.3 GB", "57 MB"]


def test_the_most_memory_held_is_that_of_the_process() -> None:
    before = peak_memory()
    block = np.ones(50_000_000 // 8)
    assert peak_memory() >= max(before, block.nbytes)


def test_freed_memory_is_kept_where_the_allocator_can() -> None:
    """In a process of its own: what is allocated again costs no new pages."""
    code = (
        "import resource, numpy as np\n"
        "from pcrnet.machine import keep_freed_memory\n"
        "kept = keep_freed_memory()\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "np.ones(8_000_000); before = faults()\n"
        "for _ in range(5): np.ones(8_000_000)\n"
        "print(kept, faults() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    if kept == "True":
        assert int(faults) < 5 * 8_000_000 * 8 / 4096 / 10


def test_the_compiler_that_cc_names_comes_first_and_one_that_is_not_there_is_passed_by(
    monkeypatch, tmp_path
):
    for name in ("gcc", "mine"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for named, expected in (("mine", "mine"), ("absent", "gcc"), ("", "gcc")):
        monkeypatch.setenv("CC", named)
        assert machine.c_compiler() == str(tmp_path / expected)
    (tmp_path / "gcc").unlink()
    assert machine.c_compiler() is None


@pytest.mark.parametrize("there", [True, False])
def test_kernels_are_compiled_only_where_pythons_headers_are(there, monkeypatch, tmp_path):
    if there:
        (tmp_path / "Python.h").touch()
    monkeypatch.setattr(machine, "find_spec", lambda name: object())
    monkeypatch.setattr(machine, "c_compiler", lambda: "/usr/bin/cc")
    monkeypatch.setattr(machine, "get_path", lambda name: str(tmp_path))
    machine._has_compilers.cache_clear()
    try:
        assert machine.compiles_kernels(torch.device("cuda")) is there
        assert not machine.compiles_kernels(torch.device("cpu"))
    finally:
        machine._has_compilers.cache_clear()
