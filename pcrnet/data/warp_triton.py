# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc"
"""The warp of a batch on a GPU: one kernel that looks once and sees all channels of a visit.

``grid_sample`` is given coordinates that must be written and read again, and wants float32. Here
each voxel finds its place in registers, and reads its eight neighbours as they are stored.

Shapes: N visits, B patients, C channels, X Y Z voxels, V = X·Y·Z.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK, _WARPS = 256, 8  # the fastest of eight pairs that were tried on an H100


def warp_visits(visits: Tensor, moves: Tensor, bend: Tensor | None) -> Tensor:
    """Sample visits linearly; beyond the border lies the border.

    Args:
        visits: float16 or float32 (N, C, X, Y, Z).
        moves: float32 (N, 3, 4), from indices of voxels to indices of voxels.
        bend: float32 (B, 3, X, Y, Z), added to where visits look, in voxels; N is a multiple of B,
            and visits of a patient lie side by side. None leaves it out.

    Returns:
        float32 (N, C, X, Y, Z), on the device of ``visits``.
    """
    number, channels, *size = visits.shape
    visits, moves = visits.contiguous(), moves.contiguous()
    out = torch.empty(visits.shape, device=visits.device)
    voxels = math.prod(size)
    visits_of_patient = 1 if bend is None else number // len(bend)
    grid = (triton.cdiv(voxels, _BLOCK), number)
    _look[grid](
        visits,
        moves,
        moves if bend is None else bend.contiguous(),
        out,
        visits_of_patient,
        *size,
        channels=channels,
        bends=bend is not None,
        block=_BLOCK,
        num_warps=_WARPS,
    )
    return out


@triton.jit
def _place(moves, axis: tl.constexpr, x, y, z):
    row = moves + 4 * axis
    return tl.load(row) * x + tl.load(row + 1) * y + tl.load(row + 2) * z + tl.load(row + 3)


@triton.jit
def _corner(look, length):
    look = tl.minimum(tl.maximum(look, 0.0), length - 1.0)
    near = tl.minimum(look.to(tl.int32), tl.maximum(length - 2, 0))
    step = tl.where(length > 1, 1, 0)
    return near, look - near, step


@triton.jit
def _look(
    visits,
    moves,
    bend,
    out,
    visits_of_patient,
    width,
    height,
    depth,
    channels: tl.constexpr,
    bends: tl.constexpr,
    block: tl.constexpr,
):
    visit = tl.program_id(1).to(tl.int64)
    voxels = width * height * depth
    voxel = tl.program_id(0) * block + tl.arange(0, block)
    inside = voxel < voxels
    z = voxel % depth
    y = (voxel // depth) % height
    x = voxel // (depth * height)
    own = moves + visit * 12
    look_x = _place(own, 0, x, y, z)
    look_y = _place(own, 1, x, y, z)
    look_z = _place(own, 2, x, y, z)
    if bends:
        displaced = bend + (visit // visits_of_patient) * 3 * voxels + voxel
        look_x += tl.load(displaced, mask=inside, other=0.0)
        look_y += tl.load(displaced + voxels, mask=inside, other=0.0)
        look_z += tl.load(displaced + 2 * voxels, mask=inside, other=0.0)
    near_x, share_x, step_x = _corner(look_x, width)
    near_y, share_y, step_y = _corner(look_y, height)
    near_z, share_z, step_z = _corner(look_z, depth)
    corner = (near_x * height + near_y) * depth + near_z
    over_x = step_x * height * depth
    over_y = step_y * depth
    for channel in tl.static_range(channels):
        start = (visit * channels + channel) * voxels
        here = visits + start + corner
        value = tl.zeros([block], dtype=tl.float32)
        for along_x in tl.static_range(2):
            for along_y in tl.static_range(2):
                row = here + along_x * over_x + along_y * over_y
                near = tl.load(row, mask=inside, other=0.0).to(tl.float32)
                far = tl.load(row + step_z, mask=inside, other=0.0).to(tl.float32)
                part_x = share_x if along_x else 1.0 - share_x
                part_y = share_y if along_y else 1.0 - share_y
                value += part_x * part_y * (near + (far - near) * share_z)
        tl.store(out + start + voxel, value, mask=inside)
