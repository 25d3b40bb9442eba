"""Encoders that answer from memory what they were asked before.

Occlusion asks hundreds of questions that differ in one scan of one visit. What the networks'
encoders make of all other visits and branches is the same each time, and it is most of the work.

Shapes: N visits of one branch, C channels, X Y Z voxels.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pcrnet.models.contract import FittedModel
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.network_model import NetworkModel

_KEPT = 16  # what is not changed is asked for again at once; what is changed, never


@contextmanager
def remembered_encodings(model: FittedModel) -> Iterator[None]:
    """Let the encoders of a model's networks remember, until the end of the block.

    Every visit is encoded by itself, so that what was asked before is answered to the last bit.
    """
    networks = model.networks if isinstance(model, NetworkModel) else ()
    own = [network for network in networks if isinstance(network, PcrNet)]
    before = [network.encoders for network in own]
    try:
        for network in own:
            network.encoders = nn.ModuleList(_Remembering(each) for each in network.encoders)
        yield
    finally:
        for network, encoders in zip(own, before, strict=True):
            network.encoders = encoders


class _Remembering(nn.Module):
    """One encoder with what it answered last."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self._answers: OrderedDict[bytes, Tensor] = OrderedDict()

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Image (N, C, X, Y, Z) and presence bool (N, C), as the encoder takes them."""
        rows = zip(torch.split(image, 1), torch.split(present, 1), strict=True)
        return torch.cat([self._answer(*row) for row in rows])

    def _answer(self, image: Tensor, present: Tensor) -> Tensor:
        key = hashlib.blake2b(image.cpu().contiguous().numpy().tobytes())
        key.update(present.cpu().numpy().tobytes())
        name = key.digest()
        if name not in self._answers:
            self._answers[name] = self.encoder(image, present)
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        self._answers.move_to_end(name)
        return self._answers[name]
