"""No voxel without a number: nobody but the maker of an image can say what one stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import ImageError

_AT_ONCE = 1 << 20


def require_finite(values: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity, wherever they are.

    Args:
        values: Of any shape; nothing of their size is allocated.

    Raises:
        ImageError: With the number of such voxels.
    """
    flat = values.ravel(order="K")
    bad = sum(
        part.size - int(np.count_nonzero(np.isfinite(part)))
        for part in (flat[start : start + _AT_ONCE] for start in range(0, flat.size, _AT_ONCE))
    )
    if bad:
        raise ImageError(
            f"{bad} of {values.size} voxels are not finite numbers",
            remedy="write the background (0 for PET) where nothing was measured",
        )
