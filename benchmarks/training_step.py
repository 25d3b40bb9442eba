"""One training step of the default network against MONAI's usual classifiers, in the same run.

python benchmarks/training_step.py [--repeats N] [--batch B] [--out FILE.json]

A step is forward, loss, backward and AdamW for a batch of patients with two visits and six
channels. MONAI's networks get the twelve volumes stacked as channels, which is what one does with
them today. On a GPU all of them train in bf16 autocast; filters are channels-last everywhere, and
the clock is read after the device has finished. Ratios are medians of paired repeats.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from harness import compare, describe_torch, publish
from torch import Tensor, nn

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import NetworkConfig
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.encoders.layers import channels_last
from pcrnet.training.lightning.losses import joint_negative_log_likelihood

SIZE, SPACING_MM = (64, 64, 48), (2.0, 2.0, 2.0)
TIMEPOINTS, CHANNELS = 2, 6

Loss = Callable[[], Tensor]


def networks(batch: int, device: torch.device) -> dict[str, tuple[nn.Module, Loss]]:
    """Name to a network and a call that gives the loss of one batch."""
    from monai.networks.nets import DenseNet121, resnet10

    image = torch.rand(batch, TIMEPOINTS, CHANNELS, *SIZE, device=device)
    present = torch.ones(batch, TIMEPOINTS, CHANNELS, dtype=torch.bool, device=device)
    days = torch.tensor([[0.0, 42.0]], device=device).repeat(batch, 1)
    nothing = torch.zeros(batch, 0, device=device)
    allowed = torch.zeros(batch, 4, dtype=torch.bool, device=device)
    allowed[:, 0] = True

    imaging = ImagingConfig(size=SIZE, spacing_mm=SPACING_MM)
    ours = PcrNet(DataConfig(), imaging, NetworkConfig()).to(device)
    found: dict[str, tuple[nn.Module, Loss]] = {
        "pcrnet": (
            ours,
            lambda: joint_negative_log_likelihood(
                ours(image, present, days, nothing, nothing.bool()), allowed
            ),
        )
    }
    stacked = channels_last(image.flatten(1, 2))
    target = torch.zeros(batch, dtype=torch.int64, device=device)
    inputs = TIMEPOINTS * CHANNELS
    peers = {
        "monai densenet121": DenseNet121(spatial_dims=3, in_channels=inputs, out_channels=4),
        "monai resnet10, stride 2": resnet10(
            spatial_dims=3, n_input_channels=inputs, num_classes=4, conv1_t_stride=2
        ),
        "monai resnet10, default stride": resnet10(
            spatial_dims=3, n_input_channels=inputs, num_classes=4
        ),
    }
    for name, peer in peers.items():
        peer.to(device)
        for parameter in peer.parameters():
            if parameter.ndim == 5:
                parameter.data = channels_last(parameter.data)

        def loss(peer: nn.Module = peer) -> Tensor:
            return nn.functional.cross_entropy(peer(stacked), target)

        found[name] = (peer, loss)
    return found


def make_step(network: nn.Module, loss: Loss, device: torch.device) -> Callable[[], None]:
    """A call that trains one step."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            value = loss()
        value.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = networks(options.batch, device)
    steps = {name: make_step(*pair, device) for name, pair in found.items()}
    result = {
        "machine": describe_torch(),
        "batch": [options.batch, TIMEPOINTS, CHANNELS, *SIZE],
        "repeats": options.repeats,
        "parameters": {
            name: sum(parameter.numel() for parameter in network.parameters())
            for name, (network, _) in found.items()
        },
        "a_step": compare(steps, options.repeats),
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
