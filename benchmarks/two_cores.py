"""What the cores of this machine gain together: bare steps in a process on each, over one alone.

python benchmarks/two_cores.py [--turns N] [--json FILE.json]

No scheduling of fits does better: each process has a core for itself, one thread, a network and a
batch of the default grid in memory, and waits for nobody. What ``steps_together_vs_alone`` lacks of
the number of cores is what they share: memory, caches, and the clock of the processor.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from harness import commit, describe_torch, publish
from harness_training import SETTINGS, InMemory, bare_step, new_network, resident_batch

from pcrnet.machine import keep_freed_memory

_STEPS = 24


def work(core: int, asked: Connection) -> None:
    """Steps on one core whenever it is asked; sends the seconds of each turn."""
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    keep_freed_memory()
    device = torch.device("cpu")
    setting = SETTINGS["24x24x16"]
    experiment = setting.experiment(device)
    step = bare_step(experiment, new_network(experiment, device), device)
    batch = resident_batch(experiment, InMemory(experiment, setting.patients), device)
    for _ in range(3):
        step(batch)
    asked.send(0.0)
    while asked.recv():
        start = time.perf_counter()
        for _ in range(_STEPS):
            step(batch)
        asked.send(time.perf_counter() - start)


def turn(workers: list[Connection]) -> float:
    """Steps a second of all these workers at once."""
    for worker in workers:
        worker.send(True)
    return sum(_STEPS / float(worker.recv()) for worker in workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    context = mp.get_context("spawn")
    workers = []
    for core in sorted(os.sched_getaffinity(0)):
        here, there = context.Pipe()
        context.Process(target=work, args=(core, there), daemon=True).start()
        workers.append(here)
    for worker in workers:
        worker.recv()
    turns = []
    for _ in range(options.turns):
        each = [turn([worker]) for worker in workers]
        turns.append((statistics.fmean(each), turn(workers)))
    for worker in workers:
        worker.send(False)
    ratios = [together / alone for alone, together in turns]
    result = {
        "steps_together_vs_alone": round(statistics.median(ratios), 3),
        "least_and_most": [round(min(ratios), 3), round(max(ratios), 3)],
        "steps_a_second": {
            "alone": round(statistics.median(alone for alone, _ in turns), 2),
            "together": round(statistics.median(together for _, together in turns), 2),
        },
        "processes": len(workers),
        "turns": options.turns,
        "machine": describe_torch(),
        "commit": commit(),
    }
    publish(result, options.json)


if __name__ == "__main__":
    main()
