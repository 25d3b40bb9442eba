"""No voxel without a number: nobody but the maker of an image can say what one stands for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import ImageError
from pcrnet.imaging.voxels.parts import parts_of


def require_finite(values: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity, wherever they are.

    Args:
        values: Of any shape; nothing of their size is allocated.

    Raises:
        ImageError: With the number of such voxels.
    """
    refuse_not_finite(sum(map(not_finite, parts_of(values))), values.size)


def not_finite(values: NDArray[np.float32]) -> int:
    """How many values, at least one of any shape, are NaN or infinite."""
    # The extremes are found faster, and tell of most images that there is none.
    if math.isfinite(values.min()) and math.isfinite(values.max()):
        return 0
    return values.size - int(np.count_nonzero(np.isfinite(values)))


def refuse_not_finite(bad: int, of: int) -> None:
    """Refuse an image of which some voxels are no finite numbers.

    Args:
        bad: How many.
        of: Of how many.

    Raises:
        ImageError: If there are any.
    """
    if bad:
        raise ImageError(
            f"{bad} of {of} voxels are not finite numbers",
            remedy="write the background (0 for PET) where nothing was measured",
        )
