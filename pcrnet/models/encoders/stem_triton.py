# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc"
"""The first convolution on a GPU: it reads the scans as they lie, and only those that are there.

cuDNN wants channels innermost and a multiple of eight of them; a stem has one to five, so that the
largest tensor of a network is filled, turned round, rounded and padded, each in a pass of its own,
before a kernel that is made for hundreds of channels sees it. Here each cell gathers the 27 voxels
that it looks at from each channel, as one row of a product of matrices in bf16, summed in float32.
Gradients are summed in an order that is always the same.

Shapes: N visits, C channels, X Y Z voxels, x y z cells, half as many along each axis, O outputs, P
outputs filled up to a power of two.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

_TYPE = torch.bfloat16
_TAPS = 27
_ROW = 32  # taps of a channel, filled up to a power of two
_ONES = tl.constexpr(27)  # in the gradient's row behind the taps: what the shift sees
_CELLS, _CELLS_OF_GRADIENT = 128, 256  # at a time; the fastest that were tried on an H100
_LEAST_CELLS = 16  # that a product of matrices takes
_SUMS = 128 * 64  # cells × outputs that the registers of a block hold
_RESERVED = 1 << 10  # bytes of shared memory that CUDA keeps for itself in each block
_SPLITS = 64  # programs that share the gradient of one visit and channel


def convolve_stem(image: Tensor, present: Tensor, filters: Tensor, shift: Tensor) -> Tensor:
    """A 3 × 3 × 3 convolution of stride 2 over the channels that are present, padded with zeros.

    Args:
        image: float (N, C, X, Y, Z); of an absent channel nothing is read. It gets no gradient.
        present: bool (N, C).
        filters: float32 (O, C, 3, 3, 3).
        shift: float32 (N, O), added to every cell of a visit.

    Returns:
        bfloat16 (N, O, x, y, z), channels innermost.
    """
    outputs, channels = filters.shape[:2]
    padded = max(16, triton.next_power_of_2(outputs))
    rows = filters.permute(1, 2, 3, 4, 0).reshape(channels, _TAPS, outputs)
    bank = functional.pad(rows.float(), (0, padded - outputs, 0, _ROW - _TAPS))
    if not image[0, 0].is_contiguous():
        image = image.contiguous()
    result: Tensor = _Convolution.apply(
        image,
        present.contiguous(),
        bank,
        functional.pad(shift.float(), (0, padded - outputs)),
        outputs,
    )
    return result


class _Convolution(torch.autograd.Function):
    """From image, presence, bank (C, 32, P) and shift (N, P)."""

    @staticmethod
    def forward(
        ctx: Any, image: Tensor, present: Tensor, bank: Tensor, shift: Tensor, outputs: int
    ) -> Tensor:
        number, channels, *size = image.shape
        cells = [(length + 1) // 2 for length in size]
        out = torch.empty(
            (number, outputs, *cells),
            dtype=_TYPE,
            device=image.device,
            memory_format=torch.channels_last_3d,
        )
        block = cells_of_convolution(bank.shape[2])
        _convolve[(triton.cdiv(math.prod(cells), block), number)](
            image,
            present,
            bank.to(_TYPE),
            shift,
            out,
            *image.stride()[:2],
            *size,
            *cells,
            channels=channels,
            outputs=outputs,
            padded=bank.shape[2],
            block=block,
        )
        ctx.save_for_backward(image, present)
        ctx.bank = bank.shape
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        image, present = ctx.saved_tensors
        channels, row, padded = ctx.bank
        gradient = gradients[0].to(_TYPE)
        gradient = gradient.contiguous(memory_format=torch.channels_last_3d)
        number, outputs, *cells = gradient.shape
        sums = torch.empty((number, _SPLITS, channels, row, padded), device=image.device)
        block = cells_of_gradient(padded, _shared_memory(image.device))
        _correlate[(_SPLITS, number, channels)](
            image,
            present,
            gradient,
            sums,
            *image.stride()[:2],
            *image.shape[2:],
            *cells,
            channels=channels,
            outputs=outputs,
            padded=padded,
            splits=_SPLITS,
            rounds=triton.cdiv(math.prod(cells), _SPLITS * block),
            block=block,
        )
        of_visits = sums.sum(dim=1)  # (N, C, 32, P)
        of_bank = of_visits.sum(dim=0)
        of_bank[:, _TAPS:] = 0.0
        return None, None, of_bank, of_visits[:, 0, _TAPS], None


def cells_of_convolution(padded: int) -> int:
    """How many cells are convolved at a time, so that registers hold their sums of P outputs."""
    return max(_LEAST_CELLS, min(_CELLS, _SUMS // padded))


def cells_of_gradient(padded: int, memory: int) -> int:
    """How many cells the gradient takes at a time, so that they fit a card's shared memory.

    Args:
        padded: Outputs P.
        memory: Bytes that a block may take; 99 KiB on cards for workstations, up to 227 on others.
    """
    # While one round is multiplied the next is read, voxels as float32 and slopes as bf16; the
    # voxels that are multiplied are there as bf16, too.
    of_cell = 2 * (4 * _ROW + 2 * padded) + 2 * _ROW
    cells = _CELLS_OF_GRADIENT
    while cells > _LEAST_CELLS and cells * of_cell > memory:
        cells //= 2
    return cells


def _shared_memory(device: torch.device) -> int:
    """Bytes that a block may take on a device."""
    if device.type != "cuda":  # Triton's interpreter has no such limit
        return sys.maxsize
    return torch.cuda.get_device_properties(device).shared_memory_per_multiprocessor - _RESERVED


@triton.jit
def _looks(cell, cells, width, height, depth, height_out, depth_out):
    """Places (block, 32) of the voxels that cells look at, and which of them there are."""
    tap = tl.arange(0, 32)
    look_x = 2 * (cell // (height_out * depth_out))[:, None] + (tap // 9)[None, :] - 1
    look_y = 2 * ((cell // depth_out) % height_out)[:, None] + ((tap // 3) % 3)[None, :] - 1
    look_z = 2 * (cell % depth_out)[:, None] + (tap % 3)[None, :] - 1
    seen = (cell < cells)[:, None] & (tap < 27)[None, :]
    seen &= (look_x >= 0) & (look_x < width)
    seen &= (look_y >= 0) & (look_y < height)
    seen &= (look_z >= 0) & (look_z < depth)
    return (look_x * height + look_y) * depth + look_z, seen


@triton.jit
def _convolve(
    image,
    present,
    bank,
    shift,
    out,
    visit_stride,
    channel_stride,
    width,
    height,
    depth,
    width_out,
    height_out,
    depth_out,
    channels: tl.constexpr,
    outputs: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    visit = tl.program_id(1).to(tl.int64)
    cells = width_out * height_out * depth_out
    cell = tl.program_id(0) * block + tl.arange(0, block)
    place, seen = _looks(cell, cells, width, height, depth, height_out, depth_out)
    tap, output = tl.arange(0, 32), tl.arange(0, padded)
    total = tl.zeros([block, padded], dtype=tl.float32)
    for channel in tl.static_range(channels):
        there = tl.load(present + visit * channels + channel) != 0
        own = image + visit * visit_stride + channel * channel_stride
        values = tl.load(own + place, mask=seen & there, other=0.0).to(bank.dtype.element_ty)
        filters = tl.load(bank + (channel * 32 + tap)[:, None] * padded + output[None, :])
        total = tl.dot(values, filters, total)
    total += tl.load(shift + visit * padded + output)[None, :]
    tl.store(
        out + (visit * cells + cell)[:, None] * outputs + output[None, :],
        total.to(out.dtype.element_ty),
        mask=(cell < cells)[:, None] & (output < outputs)[None, :],
    )


@triton.jit
def _correlate(
    image,
    present,
    gradient,
    sums,
    visit_stride,
    channel_stride,
    width,
    height,
    depth,
    width_out,
    height_out,
    depth_out,
    channels: tl.constexpr,
    outputs: tl.constexpr,
    padded: tl.constexpr,
    splits: tl.constexpr,
    rounds: tl.constexpr,
    block: tl.constexpr,
):
    split, channel = tl.program_id(0), tl.program_id(2)
    visit = tl.program_id(1).to(tl.int64)
    cells = width_out * height_out * depth_out
    tap, output = tl.arange(0, 32), tl.arange(0, padded)
    own = image + visit * visit_stride + channel * channel_stride
    there = tl.load(present + visit * channels + channel) != 0
    total = tl.zeros([32, padded], dtype=tl.float32)
    for step in range(rounds):
        cell = (step * splits + split) * block + tl.arange(0, block)
        place, seen = _looks(cell, cells, width, height, depth, height_out, depth_out)
        values = tl.load(own + place, mask=seen & there, other=0.0)
        values = tl.where((tap == _ONES)[None, :], 1.0, values).to(gradient.dtype.element_ty)
        slopes = tl.load(
            gradient + (visit * cells + cell)[:, None] * outputs + output[None, :],
            mask=(cell < cells)[:, None] & (output < outputs)[None, :],
            other=0.0,
        )
        total = tl.dot(tl.trans(values), slopes, total)
    row = ((visit * splits + split) * channels + channel) * 32 + tap
    tl.store(sums + row[:, None] * padded + output[None, :], total)
