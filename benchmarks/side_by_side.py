"""Small fits at once: patients a second of several processes, each training the default network.

python benchmarks/side_by_side.py [--fits 1 8] [--epochs 20] [--device cpu|cuda] [--json FILE.json]

Every process trains on 160 patients of its own, through pcrnet's data module and trainer, with all
augmentation, as fits of a run do (``training.parallel_fits``). Counted are the epochs that ended
while all of them were training. ``at_once`` holds, for each number of fits, patients a second of
all together and how many times as fast that is as one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from harness import commit, describe_torch, publish
from harness_training import InMemory, Setting, finish, new_network

from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.machine import available_cores, keep_freed_memory
from pcrnet.models.contract import FitPart
from pcrnet.training.events import EpochReport
from pcrnet.training.lightning import callbacks
from pcrnet.training.lightning.loop import TrainingLoop

_PATIENTS = 160


def train(device: torch.device, epochs: int, threads: int) -> list[float]:
    """The time at the end of every epoch, by the clock that all processes share."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    experiment = Setting((), _PATIENTS).experiment(device)
    source = InMemory(experiment, _PATIENTS)
    ends: list[float] = []

    def hear(event: object) -> None:
        if isinstance(event, EpochReport):
            finish(device)
            ends.append(time.time())

    training = experiment.training.model_copy(update={"max_epochs": epochs})
    where = source.resident(device) if device.type == "cuda" else source
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loop = TrainingLoop(experiment, training, "own", "0" * 64, where, folder, 0, epochs, hear)
        network, offset = new_network(experiment, device), np.zeros((_PATIENTS, 3))
        loop(FitPart("own", network, source.patients, ClinicalEncoding(()), offset))
    return ends


def rate(fits: int, device: torch.device, epochs: int) -> float:
    """Patients a second of so many processes, while all of them train."""
    command = [sys.executable, __file__, "--device", device.type, "--epochs", str(epochs)]
    command += ["--one-of", str(fits)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(fits)]
    told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a fit ended with an error")
    ends = [json.loads(text.splitlines()[-1]) for text in told]
    low, high = max(one[0] for one in ends), min(one[-1] for one in ends)
    found = 0.0
    for one in ends:
        inside = [end for end in one if low <= end <= high]
        if len(inside) < 3:
            raise SystemExit("the fits hardly met: more --epochs")
        found += (len(inside) - 1) * _PATIENTS / (inside[-1] - inside[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None)
    parser.add_argument("--fits", nargs="+", type=int, default=None)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if options.one_of:
        # No resume points: a run writes one every ten seconds at most.
        callbacks.ResumePoint.on_train_epoch_end = lambda self, trainer, pl_module: None  # type: ignore[method-assign]
        threads = max(1, available_cores() // options.one_of)
        print(json.dumps(train(device, options.epochs, threads)))
        return
    several = [1, 8] if device.type == "cuda" else [1, min(4, available_cores())]
    rates = {fits: rate(fits, device, options.epochs) for fits in options.fits or several}
    first = next(iter(rates.values()))
    result = {
        "at_once": {
            str(fits): {"samples_per_s": round(found, 1), "times_one": round(found / first, 2)}
            for fits, found in rates.items()
        },
        "machine": describe_torch() | {"device": str(device)},
        "commit": commit(),
    }
    publish(result, options.json)


if __name__ == "__main__":
    main()
