"""A network's forward and backward pass as two CUDA graphs.

A step of the dual-branch network asks the GPU for some 1,300 operations, and asking takes longer
than computing. Captured once, they are asked for together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.encoders.backbone import MonaiEncoder


class CapturedNetwork:
    """A network that is replayed for full batches, and asked as ever for others.

    What it is given is copied into the memory that the graphs read; gradients come as from the
    network itself. Dropout goes on from the seed of the moment, so that a step that is repeated
    gives the same.

    Args:
        network: In training, on a GPU; its parameters stay where they are in memory.
        patients: Of a full batch.
    """

    def __init__(self, network: nn.Module, patients: int) -> None:
        self._network, self._patients = network, patients
        self._replay: nn.Module | None = None

    def __call__(self, fields: Sequence[Tensor]) -> Tensor:
        """Logits (B, 3).

        Args:
            fields: Of a :class:`~pcrnet.models.dual_branch.network.NetworkInput`.
        """
        logits: Tensor
        if len(fields[0]) != self._patients:
            logits = self._network(*fields)
            return logits
        if self._replay is None:
            self._replay = _capture(self._network, fields)
        logits = self._replay(*fields)
        return logits


def may_be_captured(network: nn.Module, device: torch.device) -> bool:
    """Whether a network's passes can be captured, and a replay is the same step.

    What counts batches, or changes on its way, cannot be repeated. Gradients lie where the next
    replay writes: who keeps them from step to step must not replay.
    """
    return (
        device.type == "cuda"
        and not torch.is_anomaly_enabled()
        and isinstance(network, PcrNet)
        and not any(isinstance(part, _BatchNorm | MonaiEncoder) for part in network.modules())
    )


class _Replay(nn.Module):
    """The same parameters under another forward: capturing one leaves the other as it was."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *fields: Tensor) -> Tensor:
        logits: Tensor = self.network(*fields)
        return logits


def _capture(network: nn.Module, fields: Sequence[Tensor]) -> nn.Module:
    device = fields[0].device
    before = torch.cuda.get_rng_state(device)  # to warm up draws dropout
    # Weights that were rounded while capturing must be rounded anew in every replay.
    with torch.autocast(
        "cuda",
        enabled=torch.is_autocast_enabled("cuda"),
        dtype=torch.get_autocast_dtype("cuda"),
        cache_enabled=False,
    ):
        samples = tuple(field.detach().clone() for field in fields)
        replay = _Replay(network).train()
        torch.cuda.make_graphed_callables(replay, samples, allow_unused_input=True)
    torch.cuda.set_rng_state(before, device)
    return replay
