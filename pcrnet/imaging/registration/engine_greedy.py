"""Greedy's engine (Yushkevich et al., greedy.readthedocs.io), an optional package.

``pip install pcrnet[greedy]`` brings it; ``imaging.alignment.engine: greedy`` asks for it.
"""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pcrnet.errors import ConfigError, RegistrationError
from pcrnet.imaging.registration.engine_simpleitk import itk_image
from pcrnet.imaging.registration.likeness import Transform, WorkingScan

# Correlation catches every displacement but is drawn by the edge of the field; mutual information
# is not, but stays where it began in one case of eight.
_STEPS = ("-m WNCC 3x3x3 -n 100x40x0", "-m NMI -n 40")
# With one thread and a seed, equal input gives equal digits.
_COMMAND = (
    "-d 3 -a -dof 6 -ia-identity -i fixed moving -gm looked_at -mm covered -o found "
    "-threads 1 -seed 17 -V 0"
)
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def climb(fixed: WorkingScan, moving: WorkingScan, start: Transform) -> Transform:
    """Climb from ``start`` by correlation of neighbourhoods, then by mutual information.

    Returns:
        Rigid, shape (4, 4); RAS millimetres of the first visit to those of the later one.

    Raises:
        ConfigError: The package is not installed.
        RegistrationError: The scans do not overlap enough.
    """
    for metric in _STEPS:
        start = _one_step(fixed, moving, start, metric)
    return start


def _one_step(fixed: WorkingScan, moving: WorkingScan, start: Transform, metric: str) -> Transform:
    greedy = load_greedy()
    # Its Python interface takes no matrix to start from: the later visit is laid there instead.
    laid = moving.grid.moved(np.asarray(np.linalg.inv(start), dtype=np.float64))
    try:
        with _no_output():
            greedy.execute(
                f"{_COMMAND} {metric}",
                out=io.StringIO(),
                err=io.StringIO(),
                fixed=itk_image(fixed.values, fixed.grid),
                moving=itk_image(moving.values, laid),
                looked_at=itk_image(fixed.looked_at, fixed.grid),
                covered=itk_image(moving.covered, laid),
                found=None,
            )
    except RuntimeError:
        raise RegistrationError(
            "the two scans do not overlap enough to be registered",
            remedy="check that both visits show the same part of the same patient",
        ) from None
    # It takes ITK's space to be LPS and answers in RAS; the images above were RAS from the start.
    return np.asarray(start @ _FLIP @ greedy["found"] @ _FLIP)


def load_greedy() -> Any:  # noqa: ANN401 - a compiled package without types
    """A fresh engine.

    Raises:
        ConfigError: The package is not installed.
    """
    try:
        from picsl_greedy import GreedyFloat3D
    except ImportError:
        raise ConfigError(
            "the engine greedy is not installed",
            field="imaging.alignment.engine",
            remedy='pip install "pcrnet[greedy]", or set imaging.alignment.engine: simpleitk',
        ) from None
    return GreedyFloat3D()


@contextmanager
def _no_output() -> Iterator[None]:
    """Its optimiser prints each end of a line search from C, beyond what Python can redirect."""
    if os.name != "posix":
        yield
        return
    flush = ctypes.CDLL(None).fflush
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        flush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
