"""Augmentation by TorchIO's or MONAI's own transforms, patient by patient.

What holds of the fused warp holds here: a patient's random numbers follow from the patient's seed
alone; all scans of a patient move alike, and a mask with them; the phases of one visit share what
happens to their intensities; what has a meaning in absolute numbers keeps it.

Shapes: T timepoints, C channels, X Y Z voxels, c channels that belong together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pcrnet.config.augmentation import (
    AugmentationConfig,
    LibraryAugmentation,
    MonaiTransform,
    TorchioAugmentation,
    TorchioTransform,
)
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.data.seeds import derive_seed
from pcrnet.errors import ConfigError

_SIGNAL: frozenset[ChannelKind] = frozenset({"zscore", "dce"})
_STANDARDISED: frozenset[ChannelKind] = frozenset({"zscore"})
_IN_SPACE = frozenset(
    {
        "RandomFlip",
        "RandomAffine",
        "RandomElasticDeformation",
        "RandomAffineElasticDeformation",
        "RandomAnisotropy",
        "RandFlip",
        "RandRotate",
        "RandZoom",
        "RandAffine",
        "Rand3DElastic",
        "RandGridDistortion",
    }
)
_OF_KINDS: dict[str, frozenset[ChannelKind]] = {
    # What coils and k-space do, DCE phases of a visit together.
    **dict.fromkeys(("RandomBiasField", "RandomGhosting", "RandomMotion", "RandomSpike"), _SIGNAL),
    **dict.fromkeys(("RandBiasField", "RandGibbsNoise", "RandKSpaceSpikeNoise"), _SIGNAL),
    **dict.fromkeys(("RandRicianNoise", "RandScaleIntensity"), _SIGNAL),
    # What bends or shifts a scale; enhancement would not survive it.
    **dict.fromkeys(("RandomGamma", "RandAdjustContrast"), _STANDARDISED),
    **dict.fromkeys(("RandShiftIntensity", "RandHistogramShift"), _STANDARDISED),
}
_OURS = frozenset({"include", "exclude", "copy", "keep", "parse_input", "label_keys", "device"})
"""Arguments that choose images or device, which is not a transform's business here."""


@dataclass(frozen=True)
class ImageGroup:
    """Channels of one visit whose intensities change together: a channel alone, or DCE phases."""

    timepoint: int
    channels: tuple[int, ...]

    @property
    def name(self) -> str:
        """Unique within a patient."""
        return "-".join(map(str, ("image", self.timepoint, *self.channels)))


class Images(Protocol):
    """A patient's images as a library has them."""

    def __call__(
        self, values: dict[ImageGroup, Tensor], mask: Tensor | None, seed: int
    ) -> tuple[dict[ImageGroup, Tensor], Tensor | None]:
        """The images, each (channels, X, Y, Z), and the mask (X, Y, Z) after all transforms."""


class LibraryAugmenter:
    """Transforms of a library, ready for patients.

    Args:
        config: Which transforms, with their arguments.
        data: Channels and timepoints.
        imaging: The grid, and the kind of each channel.

    Raises:
        ConfigError: A transform does not take its arguments, or makes no sense for a channel that
            it is to change.
    """

    def __init__(
        self, config: LibraryAugmentation, data: DataConfig, imaging: ImagingConfig
    ) -> None:
        self._config = config
        self._kinds = [imaging.channel_kind(name) for name in data.channels]
        named: Sequence[TorchioTransform | MonaiTransform] = config.transforms
        reach = [
            _channels(index, one, data.channels, self._kinds) for index, one in enumerate(named)
        ]
        self._library: Images = (
            _Torchio(config.transforms, reach, imaging.spacing_mm)
            if isinstance(config, TorchioAugmentation)
            else _Monai(config.transforms, reach)
        )

    def __call__(
        self, image: Tensor, present: Tensor, seed: int, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Augment one patient on the CPU.

        Args:
            image: float (T, C, X, Y, Z), physical units.
            present: bool (T, C); what is absent is left as it is.
            seed: Of patient and epoch.
            mask: (X, Y, Z) labels that are to move with the images.

        Returns:
            The image in float32, the presence after hiding channels, and the mask. A patient never
            loses the last channel.
        """
        image = image.float()
        groups = list(_groups(present, self._kinds))
        values = {group: image[group.timepoint, list(group.channels)] for group in groups}
        changed, mask = self._library(values, mask, seed)
        moved = image.clone()
        for group, new in changed.items():
            moved[group.timepoint, list(group.channels)] = new
        generator = torch.Generator()
        generator.manual_seed(derive_seed(seed, "channel dropout"))
        hide = torch.rand(present.shape, generator=generator) < self._config.channel_dropout
        kept = present & ~hide
        return moved, kept if bool(kept.any()) else present, mask


def _groups(present: Tensor, kinds: Sequence[ChannelKind]) -> Iterator[ImageGroup]:
    for timepoint, row in enumerate(present.tolist()):
        there = [channel for channel, is_there in enumerate(row) if is_there]
        phases = tuple(channel for channel in there if kinds[channel] == "dce")
        if phases:
            yield ImageGroup(timepoint, phases)
        for channel in there:
            if channel not in phases:
                yield ImageGroup(timepoint, (channel,))


def _channels(
    index: int,
    transform: TorchioTransform | MonaiTransform,
    names: Sequence[str],
    kinds: Sequence[ChannelKind],
) -> frozenset[int] | None:
    """The channels whose intensities a transform changes; None for one in space."""
    field = f"augmentation.transforms[{index}]"
    strange = sorted(_OURS & set(transform.arguments))
    if strange:
        raise ConfigError(
            f"{transform.name} is not given {strange[0]}: images and device are set elsewhere",
            field=field,
            remedy="leave it out; channels names what a transform of intensities is for",
        )
    if transform.name in _IN_SPACE:
        if transform.channels is not None:
            raise ConfigError(
                f"{transform.name} moves all scans of a patient alike, and no single channel",
                field=f"{field}.channels",
                remedy="leave channels out",
            )
        return None
    fitting = _OF_KINDS.get(transform.name)
    for name in transform.channels or ():
        if name not in names:
            raise ConfigError(
                f"there is no channel {name}",
                field=f"{field}.channels",
                remedy=f"name some of {', '.join(names)}",
            )
        kind = kinds[list(names).index(name)]
        if fitting is not None and kind not in fitting:
            raise ConfigError(
                f"{transform.name} would change what the numbers of {name} mean ({kind})",
                field=f"{field}.channels",
                remedy=f"name channels of kind {' or '.join(sorted(fitting))}, or leave it out",
            )
    return frozenset(
        channel
        for channel, (name, kind) in enumerate(zip(names, kinds, strict=True))
        if (transform.channels is None or name in transform.channels)
        and (fitting is None or kind in fitting)
    )


def _made(index: int, kind: Any, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    for chance in arguments.keys() & {"p", "prob"}:
        # MONAI takes 5, for 5 % say, and varies every image.
        if not isinstance(arguments[chance], int | float) or not 0 <= arguments[chance] <= 1:
            raise ConfigError(
                f"{name} is given {arguments[chance]} for {chance}, which is a probability",
                field=f"augmentation.transforms[{index}].arguments.{chance}",
                remedy="give a number from 0 to 1",
            )
    try:
        return kind(**arguments)
    except Exception as error:  # whatever a library makes of arguments that it does not expect
        raise ConfigError(
            f"{name} does not take these arguments: {error}",
            field=f"augmentation.transforms[{index}].arguments",
            remedy=f"see the documentation of {name}",
        ) from error


class _Torchio:
    """TorchIO: every group is an image of one subject, whose random numbers are torch's."""

    def __init__(
        self,
        transforms: Sequence[TorchioTransform],
        reach: Sequence[frozenset[int] | None],
        spacing_mm: tuple[float, float, float],
    ) -> None:
        import torchio

        self._affine = np.diag([*spacing_mm, 1.0])
        self._transforms = [
            (_made(index, getattr(torchio, one.name), one.name, dict(one.arguments)), channels)
            for index, (one, channels) in enumerate(zip(transforms, reach, strict=True))
        ]

    def __call__(
        self, values: dict[ImageGroup, Tensor], mask: Tensor | None, seed: int
    ) -> tuple[dict[ImageGroup, Tensor], Tensor | None]:
        import torchio

        images = {
            group.name: torchio.ScalarImage(tensor=tensor, affine=self._affine)
            for group, tensor in values.items()
        }
        if mask is not None:
            images["mask"] = torchio.LabelMap(tensor=mask[None].float(), affine=self._affine)
        subject = torchio.Subject(images)
        for index, (transform, channels) in enumerate(self._transforms):
            if channels is not None:
                own = [group.name for group in values if set(group.channels) <= channels]
                if not own:
                    continue
                transform.include = own
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(seed, "torchio", index))
                subject = transform(subject)
        changed = {group: subject[group.name].data.float() for group in values}
        return changed, None if mask is None else subject["mask"].data[0].to(mask.dtype)


class _Monai:
    """MONAI: arrays, all scans in one for what happens in space, each group alone otherwise."""

    def __init__(
        self, transforms: Sequence[MonaiTransform], reach: Sequence[frozenset[int] | None]
    ) -> None:
        from monai import transforms as monai

        self._transforms = [
            (one.name, _made(index, getattr(monai, one.name), one.name, dict(one.arguments)), on)
            for index, (one, on) in enumerate(zip(transforms, reach, strict=True))
        ]

    def __call__(
        self, values: dict[ImageGroup, Tensor], mask: Tensor | None, seed: int
    ) -> tuple[dict[ImageGroup, Tensor], Tensor | None]:
        values = dict(values)
        for index, (name, transform, channels) in enumerate(self._transforms):
            if channels is None:
                transform.set_random_state(_monai_seed(seed, index))
                stacked = torch.cat(list(values.values()))
                sizes = [len(tensor) for tensor in values.values()]
                moved = _plain(transform(stacked), stacked, index, name)
                values = dict(zip(values, torch.split(moved, sizes), strict=True))
                if mask is not None:
                    how = {} if name == "RandFlip" else {"mode": "nearest"}
                    labels = transform(mask[None].float(), randomize=False, **how)
                    mask = torch.as_tensor(labels)[0].round().to(mask.dtype)
                continue
            for group, tensor in values.items():
                if set(group.channels) <= channels:
                    transform.set_random_state(_monai_seed(seed, index, group.name))
                    values[group] = _plain(transform(tensor), tensor, index, name)
        return values, mask


def _monai_seed(*parts: object) -> int:
    return derive_seed("monai", *parts) % 2**32


def _plain(found: Any, like: Tensor, index: int, name: str) -> Tensor:  # noqa: ANN401
    """A tensor of torch's own class, as large as before."""
    tensor = found.as_tensor() if hasattr(found, "as_tensor") else torch.as_tensor(found)
    if tensor.shape != like.shape:
        raise ConfigError(
            f"{name} makes {list(tensor.shape[1:])} voxels of {list(like.shape[1:])}",
            field=f"augmentation.transforms[{index}]",
            remedy="choose arguments that keep the size",
        )
    return tensor.float()


def nothing_varied(config: AugmentationConfig | LibraryAugmentation) -> str | None:
    """Says so where a library is asked for and none of its transforms; None otherwise."""
    if isinstance(config, AugmentationConfig) or not config.enabled or config.transforms:
        return None
    return (
        f"augmentation.kind={config.kind} varies no image, since augmentation.transforms names "
        f"nothing; scans are hidden with a chance of {config.channel_dropout:.0%}"
    )


def library_augmenter(
    config: AugmentationConfig | LibraryAugmentation, data: DataConfig, imaging: ImagingConfig
) -> LibraryAugmenter | None:
    """The augmenter of a library, where the settings ask for one.

    Raises:
        ConfigError: As :class:`LibraryAugmenter`.
    """
    if isinstance(config, AugmentationConfig) or not config.enabled:
        return None
    return LibraryAugmenter(config, data, imaging)
