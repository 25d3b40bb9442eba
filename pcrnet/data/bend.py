"""Smooth displacements: random at control points that span the crop, linear between two of them.

Shapes: B patients, n control points along each axis, X Y Z voxels.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def displacement(bend: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Control points (B, 3, n, n, n) to voxels (B, 3, X, Y, Z): along one axis after another."""
    nodes = bend.shape[-1]
    for length in size:  # its axis goes to the end
        shares = shares_of_nodes(nodes, length, bend.device)
        if bend.device.type != "cpu":
            bend = torch.tensordot(bend, shares, dims=([2], [1]))
            continue
        # A sum in an order of its own: a matrix product's hangs on the number of patients.
        share, each = shares.unbind(1), bend.unbind(2)  # n of (length,), n of (B, 3, …)
        bend = each[0][..., None] * share[0]
        for node in range(1, nodes):
            bend.addcmul_(each[node][..., None], share[node])
    return bend


@lru_cache(maxsize=32)
def shares_of_nodes(nodes: int, length: int, device: torch.device) -> Tensor:
    """What each voxel along an axis takes of each control point: (length, n)."""
    place = torch.linspace(0, nodes - 1, length, device=device)
    node = torch.arange(nodes, device=device)
    return (1 - (place[:, None] - node).abs()).clamp(min=0)
