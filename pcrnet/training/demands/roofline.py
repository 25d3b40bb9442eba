"""How much arithmetic a training step is, and how much of it this device can do a second."""

from __future__ import annotations

import time

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pcrnet.data.dataset import Batch
from pcrnet.training.lightning.losses import joint_negative_log_likelihood

_EDGE_CPU, _EDGE_GPU = 1024, 8192
_REPEATS = 5


def training_flops(network: nn.Module, batch: Batch) -> int:
    """Multiplications and additions of one forward and backward pass, in products alone.

    Counted on the CPU, attention as the products that it consists of. Gradients are cleared.
    """
    network.zero_grad(set_to_none=True)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        logits = network(*batch.inputs)
        torch.autograd.backward(joint_negative_log_likelihood(logits, batch.allowed))
    network.zero_grad(set_to_none=True)
    return int(counter.get_total_flops())


def matrix_peak(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of one large product of matrices, the best of several."""
    edge = _EDGE_GPU if device.type == "cuda" else _EDGE_CPU
    left, right = (torch.randn(edge, edge, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(_REPEATS):
        _finish(device)
        start = time.perf_counter()
        torch.mm(left, right)
        _finish(device)
        best = min(best, time.perf_counter() - start)
    return 2.0 * edge**3 / best


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a large copy reads and writes together, the best of several."""
    size = 1 << (30 if device.type == "cuda" else 26)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.ones_like(source)
    best = float("inf")
    for _ in range(_REPEATS):
        _finish(device)
        start = time.perf_counter()
        target.copy_(source)
        _finish(device)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size / best


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
