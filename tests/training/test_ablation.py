"""Ablations hide whole branches and timepoints, and nothing else."""

from __future__ import annotations

import numpy as np

from pcrnet.config.data import DataConfig
from pcrnet.training.ablation import ablations

DATA = DataConfig(
    timepoints=("baseline", "interim"), branches={"pet": ("pet",), "mri": ("t2", "adc")}
)


def test_each_branch_and_each_timepoint_is_left_out_once() -> None:
    names = [ablation.name for ablation in ablations(DATA)]
    assert names == ["without-pet", "without-mri", "without-baseline", "without-interim"]


def test_nothing_is_left_out_where_nothing_would_remain() -> None:
    alone = DataConfig(timepoints=("baseline",), branches={"pet": ("pet",)})
    assert ablations(alone) == ()


def test_what_is_shown_and_what_is_listed_agree() -> None:
    for ablation in ablations(DATA):
        scans = [f"{t}.{c}" for t in DATA.timepoints for c in DATA.channels]
        left = [scan in ablation.left(scans) for scan in scans]
        np.testing.assert_array_equal(ablation.shown(DATA).ravel(), left)


def test_a_branch_hides_all_its_channels_at_every_visit() -> None:
    (without_mri,) = [item for item in ablations(DATA) if item.name == "without-mri"]
    assert without_mri.left(["baseline.pet", "baseline.t2", "interim.adc"]) == ("baseline.pet",)
