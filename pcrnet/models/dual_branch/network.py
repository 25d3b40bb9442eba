"""The dual-branch network: an encoder a branch, tokens of every visit, fusion, the joint head.

Shapes: B patients, T timepoints, C channels of all branches, c channels of one branch, X Y Z
voxels, s cells of a feature grid, J covariates, F covariate features, W token width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import FusionConfig, NetworkConfig, TransformerFusionConfig
from pcrnet.models.dual_branch.fusion import Tokens, build_fusion
from pcrnet.models.dual_branch.joint_head import JointHead
from pcrnet.models.dual_branch.summary import IntensitySummary, lesion_voxels, measure
from pcrnet.models.encoders.banks import FilterBanks
from pcrnet.models.encoders.build import build_encoders, common_stride
from pcrnet.models.encoders.layers import channels_last

_DAY_PERIODS = (30.0, 90.0, 270.0)  # a cycle of therapy, a quarter, the whole course


class NetworkInput(NamedTuple):
    """What the network is given for B patients.

    Attributes:
        image: float (B, T, C, X, Y, Z) in physical units (SUV, 10⁻³ mm²/s, normalised MR).
        present: bool (B, T, C); what is False is never looked at.
        days: float (B, T) since the start of therapy; NaN where unknown.
        covariates: float (B, F), standardised.
        covariate_present: bool (B, J).
    """

    image: Tensor
    present: Tensor
    days: Tensor
    covariates: Tensor
    covariate_present: Tensor


class PcrNet(nn.Module):
    """From the scans and covariates of B patients to the three logits (B, 3) of the joint head.

    Args:
        data: Timepoints and branches.
        imaging: The grid, and the intensity rule of each channel.
        model: Encoder, fusion and widths.
        covariate_of_feature: For each covariate feature the index of its covariate.
        covariates: Number of covariates J.

    Raises:
        ConfigError: Sizes that do not fit each other.
    """

    def __init__(
        self,
        data: DataConfig,
        imaging: ImagingConfig,
        model: NetworkConfig,
        covariate_of_feature: Sequence[int] = (),
        covariates: int = 0,
    ) -> None:
        super().__init__()
        # Channels stand branch by branch: each branch is a slice, and no copy.
        ends = list(accumulate(len(names) for names in data.branches.values()))
        self.branch_slices = [slice(*pair) for pair in pairwise([0, *ends])]
        self.branch_suv = [
            tuple(imaging.channel_kind(name) == "suv" for name in names)
            for names in data.branches.values()
        ]
        self.encoders = nn.ModuleList(build_encoders(model, data, imaging))
        self.pretrained: frozenset[str] = frozenset()
        """Names of the parameters that came from a file, by way of ``pretraining``."""
        self.presence_embeddings = nn.ModuleList(
            nn.Linear(len(names), model.width) for names in data.branches.values()
        )
        self.time_embedding = TimeEmbedding(len(data.timepoints), model.width)
        stride = common_stride(model, data)
        self.pooled = pooling(imaging, stride, model.fusion)
        edges = tuple(stride * factor for factor in self.pooled)
        self.position: Tensor
        self.register_buffer(
            "position", position_embedding(imaging, edges, model.width), persistent=False
        )
        self.lesion: Tensor
        self.register_buffer("lesion", lesion_voxels(imaging), persistent=False)
        self.summaries = nn.ModuleList(
            IntensitySummary(len(names), len(data.timepoints), model.width)
            for names in data.branches.values()
        )
        self.covariate_embedding = CovariateEmbedding(covariate_of_feature, covariates, model.width)
        groups = len(data.branches) * len(data.timepoints)
        vectors = len(data.branches) * (2 * len(data.timepoints) - 1) + covariates
        self.fusion = build_fusion(model.fusion, groups, vectors, model.width, model.dropout)
        self.head = JointHead(model.width, model.dropout)
        for parameter in self.encoders.parameters():
            if parameter.ndim == 5:  # measured: convolutions run up to twice as fast this way
                parameter.data = channels_last(parameter.data)
        self._banks = FilterBanks(self.encoders)

    def forward(
        self,
        image: Tensor,
        present: Tensor,
        days: Tensor,
        covariates: Tensor,
        covariate_present: Tensor,
    ) -> Tensor:
        """Logits (B, 3); the arguments are the fields of :class:`NetworkInput`."""
        image = image.to(self.head.linear.weight.dtype)
        when = self.time_embedding(days)  # (B, T, W)
        groups: list[Tensor] = []
        group_present: list[Tensor] = []
        vectors = [self.covariate_embedding(covariates)]
        vector_present = [covariate_present]
        with self._filters_ready(image.device):
            for own, suv, encoder, summary, embed_presence in zip(
                self.branch_slices,
                self.branch_suv,
                self.encoders,
                self.summaries,
                self.presence_embeddings,
                strict=True,
            ):
                branch_present = present[:, :, own]  # (B, T, c)
                scans = network_units(image[:, :, own], suv)  # (B, T, c, X, Y, Z)
                features = encoder(scans.flatten(0, 1), branch_present.flatten(0, 1))
                tokens = averaged(features, self.pooled).flatten(2).transpose(1, 2)  # (B·T, s, W)
                tokens = torch.unflatten(tokens, 0, present.shape[:2]) + self.position
                which = embed_presence(branch_present.to(tokens.dtype))  # (B, T, W)
                groups.append(tokens + (which + when)[:, :, None])
                group_present.append(branch_present.any(dim=2))
                summaries, known = summary(measure(scans, self.lesion), branch_present)
                vectors.append(summaries)
                vector_present.append(known)
        present_tokens = Tokens(
            image=torch.cat(groups, dim=1),
            image_present=torch.cat(group_present, dim=1),
            vectors=torch.cat(vectors, dim=1),
            vector_present=torch.cat(vector_present, dim=1),
        )
        logits: Tensor = self.head(self.fusion(present_tokens))
        return logits

    def _filters_ready(self, device: torch.device) -> AbstractContextManager[None]:
        if self.training and _in_banks(device):
            return self._banks.ready(device)
        return nullcontext()


def _in_banks(device: torch.device) -> bool:
    """Whether filters are made ready together there."""
    return device.type == "cuda"


def network_units(scans: Tensor, suv: Sequence[bool]) -> Tensor:
    """Compress SUV, whose tail is long, by log(1 + SUV); everything else stays as it is.

    The compression is fixed, not fitted, so that the absolute scale of SUV survives.

    Args:
        scans: (B, T, c, X, Y, Z), channels of one branch.
        suv: Which of the c channels hold SUV.
    """
    if not any(suv):
        return scans
    if all(suv):
        return torch.log1p(scans.clamp(min=0.0))
    parts = [
        torch.log1p(part.clamp(min=0.0)) if is_suv else part
        for part, is_suv in zip(torch.split(scans, 1, dim=2), suv, strict=True)
    ]
    return torch.cat(parts, dim=2)


class TimeEmbedding(nn.Module):
    """When a visit took place: its place in the order, and the days since therapy began."""

    def __init__(self, timepoints: int, width: int) -> None:
        super().__init__()
        self.order = nn.Parameter(torch.randn(timepoints, width) * 0.02)
        self.days = nn.Linear(1 + 2 * len(_DAY_PERIODS), width)
        self.frequency: Tensor
        self.register_buffer(
            "frequency",
            torch.tensor([2 * math.pi / period for period in _DAY_PERIODS]),
            persistent=False,
        )

    def forward(self, days: Tensor) -> Tensor:
        """Days (B, T), NaN where unknown, to (B, T, W)."""
        known = torch.isfinite(days)
        days = torch.where(known, days, 0.0)[..., None]
        angle = days * self.frequency
        features = torch.cat([days / 100.0, torch.sin(angle), torch.cos(angle)], dim=-1)
        features = features.to(self.order.dtype)
        return self.order + torch.where(known[..., None], self.days(features), 0.0)


class CovariateEmbedding(nn.Module):
    """One token a covariate: a learned start plus its features times learned directions."""

    def __init__(self, covariate_of_feature: Sequence[int], covariates: int, width: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(covariates, width) * 0.02)
        self.directions = nn.Parameter(torch.randn(len(covariate_of_feature), width) * 0.3)
        self.assignment: Tensor
        self.register_buffer(
            "assignment",
            torch.tensor(
                [
                    [float(owner == index) for owner in covariate_of_feature]
                    for index in range(covariates)
                ]
            ).reshape(covariates, len(covariate_of_feature)),
            persistent=False,
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) to tokens (B, J, W)."""
        directed = features.to(self.directions.dtype)[:, None, :] * self.assignment  # (B, J, F)
        return self.start + directed @ self.directions


def pooling(imaging: ImagingConfig, stride: int, fusion: FusionConfig) -> tuple[int, ...]:
    """How many cells of the feature grid are averaged into one along each axis.

    The longest axis that can be halved is, until ``fusion.cells`` hold the grid: attention takes
    time with the square of them.
    """
    cells = [length // stride for length in imaging.size]
    factors = [1, 1, 1]
    if not isinstance(fusion, TransformerFusionConfig):
        return tuple(factors)
    while math.prod(cells) > fusion.cells:
        even = [axis for axis in range(3) if cells[axis] % 2 == 0]
        if not even:
            break
        longest = max(even, key=lambda axis: cells[axis])
        cells[longest] //= 2
        factors[longest] *= 2
    return tuple(factors)


def averaged(features: Tensor, factors: Sequence[int]) -> Tensor:
    """Average blocks of (N, W, x, y, z); unlike 3D pooling, deterministic on every device."""
    for axis, factor in enumerate(factors, start=2):
        if factor > 1:
            features = torch.unflatten(features, axis, (-1, factor)).mean(dim=axis + 1)
    return features


def position_embedding(imaging: ImagingConfig, strides: Sequence[int], width: int) -> Tensor:
    """Sines and cosines (s, W) of the distance in millimetres from the centre of the crop.

    Being in millimetres, an embedding means the same place whatever the voxel size. Source of the
    form: Vaswani et al., Attention is all you need, 2017, section 3.5, a third of W an axis.
    """
    axes = [
        (torch.arange(length // stride) + 0.5 - length / stride / 2) * stride * spacing
        for length, stride, spacing in zip(imaging.size, strides, imaging.spacing_mm, strict=True)
    ]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)  # (s, 3)
    frequencies = max(1, width // 6)
    # From a few voxels to the whole crop: 16 mm to 512 mm.
    wavelength = 16.0 * 32.0 ** (torch.arange(frequencies) / max(1, frequencies - 1))
    angle = (places[:, :, None] * (2 * math.pi / wavelength)).flatten(1)
    embedding = torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)
    return nn.functional.pad(embedding, (0, max(0, width - embedding.shape[1])))[:, :width] * 0.1
