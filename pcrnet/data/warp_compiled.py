"""The warp of a batch on a CPU, compiled where there is a C compiler.

torch's own operations write where each voxel looks, its weights and its neighbours to memory, and
read them again: compiled, a column of voxels stays in the first cache until gain and noise have
come to it, and all takes a third of the time. The bits are the same (:mod:`pcrnet.data.warp`). It
is compiled anew in each process that augments, in a folder of that moment's, so that nothing stale
or strange can be loaded, and it is used only if it agrees with torch.

Shapes: N visits, B patients, C channels, X Y Z voxels.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pcrnet.data.random_fields import NoiseField, add_noise, shares_of_nodes
from pcrnet.machine import c_compiler

SOURCE = Path(__file__).with_name("warp.c")
_FLAGS = ("-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
_FOR_THIS_PROCESSOR = (("-march=native",), ("-mcpu=native",), ())
_PATIENCE_S = 120.0
_LANES = 8  # of the source

_Warp = Callable[..., Tensor]


def compiled_warp() -> _Warp | None:
    """The compiled warp; None where there is no compiler that makes one which agrees with torch.

    It samples visits linearly, beyond the border lies the border, and then changes intensities. Its
    arguments are float16 or float32 visits (N, C, X, Y, Z), of at least two voxels along each axis;
    float32 moves (N, 3, 4), from indices of voxels to indices of voxels; float32 displacements of B
    patients at control points (B, 3, n, n, n) that span the crop, added to where visits look, in
    voxels, linear between two points; a float32 gain (N, C); and the noise of B patients. The last
    three can be left out. N is a multiple of B, and visits of a patient lie side by side. It gives
    float32 (N, C, X, Y, Z).
    """
    library = _library()
    return None if library is None else lambda *given: _warped(library, *given)


@cache
def _library() -> Any:  # noqa: ANN401 - a library of C has no type
    compiler = c_compiler()
    if compiler is None or not sys.platform.startswith(("linux", "darwin")):
        return None
    for processor in _FOR_THIS_PROCESSOR:
        library = _compiled([compiler, *_FLAGS, *processor])
        if library is not None:
            return library if _agrees(library) else None
    return None


def _compiled(command: list[str]) -> Any:  # noqa: ANN401 - as above
    try:
        with TemporaryDirectory(prefix="pcrnet-") as folder:
            made = Path(folder) / "warp.so"
            subprocess.run(  # noqa: S603 - a compiler of the user's, with our source
                [*command, str(SOURCE), "-o", str(made)],
                check=True,
                capture_output=True,
                timeout=_PATIENCE_S,
            )
            library = ctypes.CDLL(str(made))  # stays when its file goes
    except (OSError, subprocess.SubprocessError):
        return None
    library.scratch_floats.argtypes = [ctypes.c_int] * 5
    library.scratch_floats.restype = ctypes.c_size_t
    library.augment_visits.argtypes = [
        ctypes.POINTER(_Work),
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_void_p,
    ]
    library.augment_visits.restype = None
    return library


class _Work(ctypes.Structure):
    """``struct work`` of the source."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("image", "moves", "bend", "across_x", "across_y")),
        *((name, ctypes.c_void_p) for name in ("across_z", "last", "gain", "noise", "noise_from")),
        *((name, ctypes.c_void_p) for name in ("grows", "out")),
        ("amount", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("half", "visits_of_patient", "nodes", "channels")),
        *((name, ctypes.c_int32) for name in ("width", "height", "depth")),
    )


def _agrees(library: Any) -> bool:  # noqa: ANN401 - as above
    """Whether it gives what torch gives: nine channels moved by a fraction, bent, made noisy."""
    generator = torch.Generator().manual_seed(0)
    size = (5, 6, 9)
    visits = torch.randn(2, 9, *size, generator=generator)
    moves = torch.eye(3, 4) + 0.2 * torch.randn(2, 3, 4, generator=generator)
    bend = torch.randn(1, 3, 4, 4, 4, generator=generator)
    gain = torch.rand(2, 9, generator=generator)
    row = torch.randn(visits.numel() + 7, generator=generator)
    noise = NoiseField(row, (7,), 0.1, torch.arange(9) < 4)
    everywhere = functional.interpolate(bend, size=size, mode="trilinear", align_corners=True)
    grid = torch.stack(torch.meshgrid(*(torch.arange(n) * 1.0 for n in size), indexing="ij"))
    looks = torch.einsum("nij,jxyz->nixyz", moves[..., :3], grid) + moves[..., 3, None, None, None]
    lengths = torch.tensor(size)[:, None, None, None]
    unit = (2.0 * (looks + everywhere) + 1.0) / lengths - 1.0
    expected = functional.grid_sample(
        visits, unit.flip(1).movedim(1, -1), padding_mode="border", align_corners=False
    )
    expected *= gain[..., None, None, None]
    add_noise(expected[None], noise)
    found = _warped(library, visits, moves, bend, gain, noise)
    return torch.allclose(found, expected, atol=1e-4)


def _warped(
    library: Any,  # noqa: ANN401 - as above
    visits: Tensor,
    moves: Tensor,
    bend: Tensor | None = None,
    gain: Tensor | None = None,
    noise: NoiseField | None = None,
) -> Tensor:
    half = visits.dtype == torch.float16
    visits = (visits if half else visits.float()).contiguous()
    moves = moves.contiguous()
    gain = None if gain is None else gain.contiguous()
    number, channels, width, height, depth = visits.shape
    nodes = 0 if bend is None else bend.shape[-1]
    rows = None if bend is None else _padded(bend.permute(0, 2, 3, 1, 4).flatten(3))
    shares = _shares(nodes, (width, height, depth))
    last = torch.nextafter(torch.tensor([width, height, depth]) - 1.0, torch.zeros(3))
    begin = None if noise is None else torch.tensor(noise.begin)
    patients = next((len(given) for given in (bend, begin) if given is not None), number)
    out = torch.empty(visits.shape)
    work = _Work(
        image=visits.data_ptr(),
        moves=moves.data_ptr(),
        bend=None if rows is None else rows.data_ptr(),
        **{f"across_{axis}": share.data_ptr() for axis, share in zip("xyz", shares, strict=True)},
        last=last.data_ptr(),
        gain=None if gain is None else gain.data_ptr(),
        noise=None if noise is None else noise.row.data_ptr(),
        noise_from=None if begin is None else begin.data_ptr(),
        grows=None if noise is None else noise.grows.data_ptr(),
        out=out.data_ptr(),
        amount=0.0 if noise is None else noise.amount,
        half=half,
        visits_of_patient=number // patients,
        nodes=nodes,
        channels=channels,
        width=width,
        height=height,
        depth=depth,
    )

    def share(first: int, end: int) -> None:
        scratch = torch.empty(library.scratch_floats(channels, width, height, depth, nodes))
        library.augment_visits(work, first, end, scratch.data_ptr())

    threads = min(torch.get_num_threads(), number)
    if threads == 1:
        share(0, number)
        return out
    edges = [number * index // threads for index in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(share, edges[:-1], edges[1:]))
    return out


@lru_cache(maxsize=8)
def _shares(nodes: int, size: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """What voxels take of n control points: (X, n), (Y, n), and (n, Z), its rows padded."""
    across_x, across_y, across_z = (
        shares_of_nodes(nodes, length, torch.device("cpu")) for length in size
    )
    return across_x.contiguous(), across_y.contiguous(), _padded(across_z.T)


def _padded(rows: Tensor) -> Tensor:
    """Rows, the last axis, with zeros up to a multiple of what the source does at once."""
    return functional.pad(rows, (0, -rows.shape[-1] % _LANES)).contiguous()
