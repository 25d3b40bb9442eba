"""Augmentation of one patient: pcrnet's fused warp against TorchIO and MONAI, in the same run.

python benchmarks/augmentation.py [--repeats N] [--out FILE.json]

All three apply an affine warp with linear interpolation, a gain and Gaussian noise to 12 channels
of the same crop. Ratios are medians of paired repeats; times depend on the machine, which is
named in the result.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import compare, describe_torch, publish

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.augment import apply, draw

SIZE, SPACING_MM = (96, 96, 64), (1.5, 1.5, 1.5)
TIMEPOINTS, CHANNELS = 2, 6


def competitors(batch: int) -> dict[str, Callable[[], object]]:
    """Name to a call that augments ``batch`` patients once."""
    import torchio
    from monai.transforms import Compose, RandAffine, RandGaussianNoise, RandScaleIntensity

    config = AugmentationConfig(visit_shift_mm=0.0)
    imaging = ImagingConfig(size=SIZE, spacing_mm=SPACING_MM)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    image = torch.rand(batch, TIMEPOINTS, CHANNELS, *SIZE)
    present = torch.ones(batch, TIMEPOINTS, CHANNELS, dtype=torch.bool)
    on_device = image.to(device), present.to(device)
    branch = torch.tensor([0, 1, 1, 1, 1, 1], device=device)
    is_suv = branch == 0

    def ours() -> None:
        parameters = draw(config, range(batch), TIMEPOINTS, CHANNELS, 2)
        there: dict[str, Any] = {
            name: value.to(device)
            for name, value in parameters._asdict().items()
            if isinstance(value, torch.Tensor)
        }
        apply(*on_device, parameters._replace(**there), config, imaging, branch, is_suv)
        if device.type == "cuda":
            torch.cuda.synchronize()

    subjects = [
        torchio.Subject(image=torchio.ScalarImage(tensor=patient.flatten(0, 1)))
        for patient in image
    ]
    torchio_chain = torchio.Compose(
        [
            torchio.RandomAffine(scales=0.08, degrees=10, translation=6),
            torchio.RandomNoise(std=(0.03, 0.03)),
        ]
    )
    monai_chain = Compose(
        [
            RandAffine(
                prob=1.0,
                rotate_range=(0.17,) * 3,
                translate_range=(4.0,) * 3,
                scale_range=(0.08,) * 3,
                padding_mode="border",
            ),
            RandScaleIntensity(factors=0.05, prob=1.0),
            RandGaussianNoise(prob=1.0, std=0.03),
        ]
    )
    return {
        "pcrnet": ours,
        "torchio": lambda: [torchio_chain(subject) for subject in subjects],
        "monai": lambda: [monai_chain(patient.flatten(0, 1)) for patient in image],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = {
        "machine": describe_torch(),
        "crop": [TIMEPOINTS, CHANNELS, *SIZE],
        "batch": options.batch,
        "repeats": options.repeats,
        "a_batch": compare(competitors(options.batch), options.repeats),
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
