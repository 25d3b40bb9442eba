"""Integrated gradients of what networks add: which voxels of the crop it came from.

From an image in which every scan is flat at its level of near tissue to the one that there is,
the gradient is summed along the straight line between them (Sundararajan et al., ICML 2017). The
attributions add up to what the networks answer to the one less what they answer to the other.

Shapes: T timepoints, C channels, X Y Z voxels of the crop.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcrnet.applicability.scrutiny import OneTensor
from pcrnet.cohort.table import Patient
from pcrnet.data.dataset import PatientDataset
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.network_model import NetworkModel

STEPS = 16


def integrated_gradients(
    model: NetworkModel,
    patient: Patient,
    tensor: PatientTensor,
    flat: NDArray[np.float32],
    weights: NDArray[np.float64],
    *,
    steps: int = STEPS,
) -> NDArray[np.float64]:
    """What each voxel adds to a weighted sum of the logits, through the networks alone.

    Args:
        model: With its networks; without any, all attributions are exactly 0.
        patient: Who is predicted.
        tensor: What the networks are shown.
        flat: (T, C) level of near tissue of each scan, in the units of the tensor.
        weights: (3,) of the logits.
        steps: Points along the line, in the middles of equal parts.

    Returns:
        (T, C, X, Y, Z); exactly 0 throughout a scan that is absent.
    """
    total = np.zeros(tensor.image.shape, dtype=np.float64)
    if not model.networks:
        return total
    weight = torch.from_numpy(weights * model.factors / len(model.networks)).float()
    for network, encoding in zip(model.networks, model.encodings, strict=True):
        network.cpu().eval()
        batch = PatientDataset([patient], OneTensor(tensor), encoding)[0]
        image = batch.image.float()
        present = batch.present[..., None, None, None]
        start = torch.from_numpy(np.nan_to_num(flat)).float()[None, ..., None, None, None]
        start = torch.where(present, start.expand_as(image), image)
        others = (batch.present, batch.days, batch.covariates, batch.covariate_present)
        gradient = torch.zeros_like(image)
        for step in range(steps):
            share = (step + 0.5) / steps
            point = (start + share * (image - start)).requires_grad_(True)
            value: Tensor = (network(point, *others)[0] * weight).sum()
            (found,) = torch.autograd.grad(value, point)
            gradient += found / steps
        attributed = torch.where(present, (image - start) * gradient, torch.zeros_like(image))
        total += attributed[0].double().numpy()
    return total


def flat_levels(tensor: PatientTensor, near: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Median (T, C) of each scan over a mask of the crop (X, Y, Z), in the tensor's units."""
    if not near.any():
        near = np.ones(tensor.image.shape[2:], dtype=bool)
    return np.asarray(
        np.median(tensor.image[:, :, near].astype(np.float32), axis=-1), dtype=np.float32
    )
