"""The warp of a batch on a CPU, compiled where there is a C compiler.

torch's own operations write where each voxel looks, its weights and its neighbours to memory, and
read them again: compiled, a column of voxels stays in the first cache, and the warp takes a third
of the time. The bits are the same (:mod:`pcrnet.data.warp`). It is compiled anew in each process
that augments, in a folder of that moment's, so that nothing stale or strange can be loaded, and it
is used only if it agrees with torch.

Shapes: N visits, B patients, C channels, X Y Z voxels.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pcrnet.machine import c_compiler

SOURCE = Path(__file__).with_name("warp.c")
_FLAGS = ("-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
_FOR_THIS_PROCESSOR = (("-march=native",), ("-mcpu=native",), ())
_PATIENCE_S = 120.0

_Warp = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def compiled_warp() -> _Warp | None:
    """The compiled warp; None where there is no compiler that makes one which agrees with torch.

    It samples visits linearly; beyond the border lies the border. Its arguments are float16 or
    float32 visits (N, C, X, Y, Z), of at least two voxels along each axis; float32 moves (N, 3, 4),
    from indices of voxels to indices of voxels; and a float32 bend (B, 3, X, Y, Z) that is added to
    where visits look, in voxels, or None. N is a multiple of B, and visits of a patient lie side by
    side. It gives float32 (N, C, X, Y, Z).
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
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.scratch_floats.argtypes = [number] * 4
    library.scratch_floats.restype = ctypes.c_size_t
    library.warp_visits.argtypes = [pointer, number, *[pointer] * 3, *[number] * 7, *[pointer] * 2]
    library.warp_visits.restype = None
    return library


def _agrees(library: Any) -> bool:  # noqa: ANN401 - as above
    """Whether it sees what grid_sample sees, of nine channels moved by a fraction and bent."""
    generator = torch.Generator().manual_seed(0)
    size = (5, 6, 9)
    visits = torch.randn(2, 9, *size, generator=generator)
    moves = torch.eye(3, 4) + 0.2 * torch.randn(2, 3, 4, generator=generator)
    bend = torch.randn(1, 3, *size, generator=generator)
    grid = torch.stack(torch.meshgrid(*(torch.arange(n) * 1.0 for n in size), indexing="ij"))
    looks = torch.einsum("nij,jxyz->nixyz", moves[..., :3], grid) + moves[..., 3, None, None, None]
    lengths = torch.tensor(size)[:, None, None, None]
    unit = (2.0 * (looks + bend) + 1.0) / lengths - 1.0
    expected = functional.grid_sample(
        visits, unit.flip(1).movedim(1, -1), padding_mode="border", align_corners=False
    )
    return torch.allclose(_warped(library, visits, moves, bend), expected, atol=1e-4)


def _warped(library: Any, visits: Tensor, moves: Tensor, bend: Tensor | None) -> Tensor:  # noqa: ANN401
    half = visits.dtype == torch.float16
    visits = (visits if half else visits.float()).contiguous()
    moves = moves.contiguous()
    bend = None if bend is None else bend.contiguous()
    number, channels, *size = visits.shape
    last = torch.nextafter(torch.tensor(size) - 1.0, torch.zeros(3))
    out = torch.empty(visits.shape)

    def share(first: int, end: int) -> None:
        scratch = torch.empty(library.scratch_floats(channels, *size))
        library.warp_visits(
            visits.data_ptr(),
            half,
            moves.data_ptr(),
            None if bend is None else bend.data_ptr(),
            last.data_ptr(),
            1 if bend is None else number // len(bend),
            first,
            end,
            channels,
            *size,
            scratch.data_ptr(),
            out.data_ptr(),
        )

    threads = min(torch.get_num_threads(), number)
    if threads == 1:
        share(0, number)
        return out
    edges = [number * index // threads for index in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(share, edges[:-1], edges[1:]))
    return out
