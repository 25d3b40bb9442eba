"""Whether reduced precision gives this network's gradients on this device: asked, not presumed.

Some processors compute the bf16 gradient of a small 3D convolution wrongly, as garbage or NaN, and
say nothing. So one batch's gradients are compared with those in float32 before any training.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pcrnet.data.dataset import Batch
from pcrnet.errors import IntegrityError
from pcrnet.models.kinds import KINDS
from pcrnet.storage import read_record, write_json
from pcrnet.training.demands.rehearsal import rehearse
from pcrnet.training.devices import computing_device, lightning_precision
from pcrnet.training.events import Listener, Remark
from pcrnet.training.fit import FitJob
from pcrnet.training.lightning.finite import first_not_finite, not_finite
from pcrnet.training.lightning.losses import joint_negative_log_likelihood

Precision = Literal["32", "bf16"]

_TIMES = 3  # what is wrong is not wrong every time
_LARGEST_ERROR = 0.1  # of the norm of all gradients; measured on sound devices: 0.006 to 0.01
_LARGEST_OF_LAYER = 0.5  # of the norm of the layer itself; measured: 0.01
_NEGLIGIBLE = 0.02  # of the norm of all; rounding may drown a smaller gradient


@dataclass(frozen=True)
class GradientComparison:
    """Gradients of one batch in bf16 against float32.

    Attributes:
        error: ‖g₁₆ − g₃₂‖ / ‖g₃₂‖ over all parameters, the worst of several times; NaN where a
            gradient is not finite.
        layer: The parameter that shows it most; empty where bf16 can be trusted.
    """

    error: float
    layer: str

    @property
    def trustworthy(self) -> bool:
        """Whether bf16 may train."""
        return not self.layer


def settle_precision(job: FitJob, record: Path, listen: Listener) -> Precision:
    """The precision in which all fits of the run train, decided once and written down.

    Args:
        job: What is to be trained.
        record: Where the decision stands for when the run continues on a device of the same kind.
        listen: Told where bf16 is not used though it was chosen.

    Raises:
        NotFiniteError: The gradients of the untrained network are not finite even in float32.
    """
    config = job.experiment.training
    if lightning_precision(config) != "bf16-mixed" or not KINDS[job.experiment.model.kind].trains:
        return "32"
    device = computing_device(config, 0)
    name = _name(device)
    before = _decided(record, name)
    if before is not None:
        return before
    found = _compare(job, device)
    decision: Precision = "bf16" if found.trustworthy else "32"
    if not found.trustworthy:
        listen(
            Remark(
                f"this run trains in float32: bf16 gives wrong gradients on this device ({name}), "
                f"most of all in {found.layer} (relative error {found.error:.2g})"
            )
        )
    error = found.error if found.error == found.error else None  # NaN is no JSON
    write_json(
        record,
        {"device": name, "precision": decision, "layer": found.layer, "relative_error": error},
    )
    return decision


def compare_gradients(network: nn.Module, batch: Batch, device: torch.device) -> GradientComparison:
    """Compare the gradients of one batch in bf16 with those in float32, several times.

    Args:
        network: On ``device``; its gradients are cleared.
        batch: With known outcomes, on ``device``.
        device: Where both are computed.

    Raises:
        NotFiniteError: The gradients in float32 are not finite.
    """
    network.eval()  # dropout would differ between the two
    exact = _gradients(network, batch, device, reduced=False)
    broken = first_not_finite(exact)
    if broken is not None:
        raise not_finite("(any)", f"before the first step: the gradient of {broken}")
    found = [_judge(exact, _gradients(network, batch, device, reduced=True)) for _ in range(_TIMES)]
    return next((one for one in found if not one.trustworthy), max(found, key=lambda f: f.error))


def _judge(exact: dict[str, Tensor], reduced: dict[str, Tensor]) -> GradientComparison:
    size = torch.stack([value.norm() for value in exact.values()])
    error = torch.stack([(reduced[name] - value).norm() for name, value in exact.items()])
    total = float(error.norm() / size.norm().clamp(min=torch.finfo(size.dtype).tiny))
    broken = first_not_finite(reduced)
    if broken is not None:
        return GradientComparison(float("nan"), broken)
    share = error / (_LARGEST_OF_LAYER * size + _NEGLIGIBLE * size.norm())
    worst = list(exact)[int(share.argmax())]
    trusted = total <= _LARGEST_ERROR and float(share.max()) <= 1.0
    return GradientComparison(total, "" if trusted else worst)


def _gradients(
    network: nn.Module, batch: Batch, device: torch.device, *, reduced: bool
) -> dict[str, Tensor]:
    network.zero_grad(set_to_none=True)
    with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
        logits = network(*batch.inputs)
        loss = joint_negative_log_likelihood(logits, batch.allowed)
    torch.autograd.backward(loss)
    found = {
        name: parameter.grad.detach().double()
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    network.zero_grad(set_to_none=True)
    return found


def _compare(job: FitJob, device: torch.device) -> GradientComparison:
    network, batch = rehearse(job, job.experiment.training.batch_size)
    network.to(device)
    return compare_gradients(network, _on(batch, device), device)


def _on(batch: Batch, device: torch.device) -> Batch:
    moved: Sequence[Tensor] = [value.to(device) for value in batch]
    return Batch(*moved)


def _decided(record: Path, device: str) -> Precision | None:
    try:
        found = read_record(record)
    except IntegrityError:  # not there, or damaged: it is asked again
        return None
    if found.get("device") != device:
        return None
    decided = found.get("precision")
    return decided if decided in ("32", "bf16") else None


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.backends.cpu.get_cpu_capability()}"
