"""Learning rates that fall from the head of an encoder to its first layer.

Source: Clark et al., ELECTRA, ICLR 2020, and Bao et al., BEiT, ICLR 2022: what was learned
elsewhere is the more general the nearer it is to the image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import nn

_ENCODER = re.compile(r"^(encoders\.\d+)\.")


def layer_rates(network: nn.Module, decay: float) -> Mapping[str, float]:
    """Parameter to its share of the learning rate; what is no part of an encoder is not named.

    Args:
        network: Its encoders lie in ``encoders``.
        decay: Rate of a block over that of the block behind it; 1 names nothing.
    """
    if decay == 1.0:
        return {}
    blocks: dict[str, dict[str, list[str]]] = {}
    for name, _ in network.named_parameters():
        found = _ENCODER.match(name)
        if found is not None:
            own = blocks.setdefault(found[1], {})
            own.setdefault(_block(name.removeprefix(found[0])), []).append(name)
    return {
        name: decay ** (len(own) - position)
        for own in blocks.values()
        for position, names in enumerate(own.values())
        for name in names
    }


def _block(name: str) -> str:
    """The layer of a stack that a parameter belongs to: its name up to the last number in it.

    ``network.layer1.0.conv1.weight`` is of ``network.layer1.0``, ``stem.convolution.gain`` of
    ``stem``.
    """
    parts = name.split(".")[:-1]
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    if numbers:
        return ".".join(parts[: numbers[0] + 1])
    return ".".join(parts[:1]) if len(parts) < 3 else ".".join(parts[:2])
