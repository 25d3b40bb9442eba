"""Greedy's engine (Yushkevich et al., greedy.readthedocs.io), an optional package.

``pip install pcrnet[greedy]`` brings it; ``imaging.alignment.engine: greedy`` asks for it.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from pcrnet.errors import ConfigError, RegistrationError
from pcrnet.imaging.body_match import Transform, WorkingScan
from pcrnet.imaging.engine_simpleitk import itk_image

_COMMAND = (
    "-d 3 -a -dof 6 -ia-identity -m NMI -n 80x40x20 -i fixed moving -gm looked_at -mm covered "
    "-o found -V 0"
)
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def climb(fixed: WorkingScan, moving: WorkingScan, start: Transform) -> Transform:
    """Climb from ``start`` to the nearest maximum of normalised mutual information.

    Returns:
        Rigid, shape (4, 4); RAS millimetres of the first visit to those of the later one.

    Raises:
        ConfigError: The package is not installed.
        RegistrationError: The scans do not overlap enough.
    """
    greedy = load_greedy()
    # Its Python interface takes no matrix to start from: the later visit is laid there instead.
    laid = moving.grid.moved(np.asarray(np.linalg.inv(start), dtype=np.float64))
    try:
        greedy.execute(
            _COMMAND,
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
