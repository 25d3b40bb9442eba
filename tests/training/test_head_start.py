"""Imports of workers begin early where fits will run side by side on the CPU, and nowhere else."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.training import head_start


@pytest.mark.parametrize(
    ("settings", "cores", "begins"),
    [
        (["training.accelerator=cpu"], 2, True),
        (["training.accelerator=cpu"], 1, False),
        (["training.accelerator=cpu", "training.parallel_fits=1"], 8, False),
        (["training.accelerator=cpu", "training.parallel_fits=3"], 1, True),
        (["training.accelerator=gpu"], 8, False),
        (["training.accelerator=auto"], 2, True),
        (["model.kind=quantitative"], 8, False),
    ],
)
def test_it_begins_where_workers_will_be_wanted(monkeypatch, tmp_path, settings, cores, begins):
    begun = []
    monkeypatch.setattr(head_start, "_GPU_DRIVERS", (tmp_path / "no driver",))
    monkeypatch.setattr(head_start, "available_cores", lambda: cores)
    monkeypatch.setattr(head_start, "warm_workers", lambda: begun.append(True))
    head_start.begin_early(load_experiment(settings))
    assert bool(begun) == begins


def test_a_machine_with_a_gpu_is_left_to_find_out(monkeypatch, tmp_path):
    monkeypatch.setattr(head_start, "_GPU_DRIVERS", (tmp_path,))
    monkeypatch.setattr(head_start, "available_cores", lambda: 8)
    monkeypatch.setattr(head_start, "warm_workers", lambda: pytest.fail("it began"))
    head_start.begin_early(load_experiment([]))


def test_all_that_it_names_is_there():
    assert all(find_spec(name) is not None for name in head_start._NEEDED)


def test_the_door_itself_imports_neither_torch_nor_lightning():
    code = (
        "import sys, pcrnet.training.head_start; print({'torch', 'lightning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
