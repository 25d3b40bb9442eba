"""Linear interpolation at the places of another grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Interpolator:
    """Values between the voxels of an array, which is taken over once, however often it is asked.

    By SimpleITK, which follows a line of voxels and takes a third of the time that scipy takes for
    the same numbers.

    Args:
        values: Shape (i, j, k); truth values count as 0 and 1.
    """

    def __init__(self, values: NDArray[np.generic]) -> None:
        import SimpleITK

        turned = np.ascontiguousarray(values.T, dtype=np.float32)
        self._image = SimpleITK.GetImageFromArray(turned)

    def __call__(
        self, matrix: NDArray[np.float64], shape: tuple[int, int, int]
    ) -> NDArray[np.float32]:
        """Values at ``matrix @ (x, y, z, 1)``, for each voxel of ``shape``.

        Args:
            matrix: (4, 4); takes indices of the result to those of the array.
            shape: Of the result (x, y, z).

        Returns:
            float32 (x, y, z). Between the outermost voxel centres and half a voxel beyond them the
            values go on as they are there; farther out they are 0.
        """
        import SimpleITK

        transform = SimpleITK.AffineTransform(3)
        transform.SetMatrix(matrix[:3, :3].ravel().tolist())
        transform.SetTranslation(matrix[:3, 3].tolist())
        sampler = SimpleITK.ResampleImageFilter()
        sampler.SetNumberOfThreads(1)  # patients are what runs in parallel
        sampler.SetNumberOfWorkUnits(1)
        sampler.SetSize(list(shape))
        sampler.SetTransform(transform)
        sampler.SetInterpolator(SimpleITK.sitkLinear)
        sampled = sampler.Execute(self._image)
        return np.ascontiguousarray(SimpleITK.GetArrayViewFromImage(sampled).T, dtype=np.float32)
