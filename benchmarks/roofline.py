"""How far a training step is from what the device could do: arithmetic and bytes, layer by layer.

python benchmarks/roofline.py [--quick] [--device cpu|cuda] [--json FILE.json]

Every operation of a step (forward, backward, clipping, AdamW) is written down with its products
and with the bytes of what it reads and writes. The measured peak of one large product of matrices
and the measured bandwidth of a large copy say how long it would take at least; the sum over all
operations is the eager roofline, which no step of the same operations beats by much (caches hold
some of the bytes). Beside it stands what the bare step takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from harness import commit, describe_torch, publish
from harness_training import (
    SETTINGS,
    TRIAL,
    InMemory,
    Setting,
    bare_step,
    finish,
    new_network,
    resident_batch,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from pcrnet.machine import keep_freed_memory
from pcrnet.training.demands.roofline import bandwidth, matrix_peak

_LAYERS_SHOWN = 24


@dataclass
class Cost:
    """Of the operations of one layer."""

    operations: int = 0
    flops: float = 0.0
    bytes: float = 0.0
    least_seconds: float = 0.0


@dataclass
class Ledger(TorchDispatchMode):
    """Writes down every operation, by the layer that asked for it."""

    peak: float
    rate: float
    layers: dict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))

    def __post_init__(self) -> None:
        super().__init__()
        self.tracker = ModuleTracker()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and write it down where it moves or computes anything."""
        result = func(*args, **(kwargs or {}))
        if func.is_view or func._schema.name in _FREE:
            return result
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        moved = float(sum(one.numel() * one.element_size() for one in tensors))
        count = flop_registry.get(func._overloadpacket)
        flops = float(count(*args, **(kwargs or {}), out_val=result)) if count else 0.0
        cost = self.layers[self._layer()]
        cost.operations += 1
        cost.flops += flops
        cost.bytes += moved
        cost.least_seconds += max(flops / self.peak, moved / self.rate)
        return result

    def _layer(self) -> str:
        deepest = max(self.tracker.parents, key=lambda name: (name.count("."), len(name)))
        return "backward and optimiser" if deepest == "Global" else deepest


_FREE = {"aten::empty", "aten::detach", "aten::empty_like", "aten::empty_strided"}


def measure(setting: Setting, device: torch.device, repeats: int) -> dict[str, Any]:
    """The roofline of a step and the time that it takes."""
    experiment = setting.experiment(device)
    source = InMemory(experiment, experiment.training.batch_size)
    network = new_network(experiment, device)
    step = bare_step(experiment, network, device, captured=False)
    batch = resident_batch(experiment, source, device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    peak, rate = matrix_peak(device, dtype), bandwidth(device)
    step(batch)
    ledger = Ledger(peak, rate)
    with ledger.tracker, ledger:
        step(batch)
    asked = timed(lambda: step(batch), device, repeats)
    replayed = bare_step(experiment, new_network(experiment, device), device)
    seconds = timed(lambda: replayed(batch), device, repeats) if device.type == "cuda" else asked
    total = Cost(*(sum(getattr(one, name) for one in ledger.layers.values()) for name in _FIELDS))
    heaviest = sorted(ledger.layers.items(), key=lambda item: -item[1].least_seconds)
    return {
        "milliseconds_a_step": round(1000 * seconds, 3),
        "milliseconds_operation_by_operation": round(1000 * asked, 3),
        "eager_roofline_milliseconds": round(1000 * total.least_seconds, 3),
        "vs_eager_roofline": round(seconds / total.least_seconds, 3),
        "bare_step_share_of_peak": round(total.flops / peak / seconds, 4),
        "samples_per_s": round(len(batch.image) / seconds, 2),
        "batch": len(batch.image),
        "operations": total.operations,
        "gigaflops": round(total.flops / 1e9, 3),
        "gigabytes": round(total.bytes / 1e9, 3),
        "peak_gigaflops_per_s": round(peak / 1e9, 1),
        "bandwidth_gigabytes_per_s": round(rate / 1e9, 1),
        "layers": {
            name: {
                "operations": cost.operations,
                "megaflops": round(cost.flops / 1e6, 2),
                "megabytes": round(cost.bytes / 1e6, 2),
                "least_milliseconds": round(1000 * cost.least_seconds, 4),
            }
            for name, cost in heaviest[:_LAYERS_SHOWN]
        },
    }


_FIELDS = ("operations", "flops", "bytes", "least_seconds")


def timed(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median seconds of a call."""
    found = []
    for _ in range(repeats):
        finish(device)
        start = time.perf_counter()
        call()
        finish(device)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None)
    parser.add_argument("--quick", action="store_true", help="few repeats: under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    settings = {"trial": TRIAL} if device.type == "cuda" else SETTINGS
    keep_freed_memory()
    repeats = 5 if options.quick else 25
    grids = {name: measure(one, device, repeats) for name, one in settings.items()}
    first = next(iter(grids.values()))
    result = {
        "bare_step_share_of_peak": min(one["bare_step_share_of_peak"] for one in grids.values()),
        "vs_eager_roofline": max(one["vs_eager_roofline"] for one in grids.values()),
        "samples_per_s": first["samples_per_s"],
        "machine": describe_torch() | {"device": str(device)},
        "commit": commit(),
        "grids": grids,
    }
    publish(result, options.json)


if __name__ == "__main__":
    main()
