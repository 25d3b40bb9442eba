"""The list of quantities follows from the configuration."""

import pytest

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.quantify.specs import Channels, quantity_specs

_IMAGING = ImagingConfig()


def _names(data):
    return [spec.name for spec in quantity_specs(data, _IMAGING)]


def test_every_name_is_one_and_rests_on_scans_of_the_configuration():
    data = DataConfig()
    specs = quantity_specs(data, _IMAGING)
    known = {f"{t}.{c}" for t in data.timepoints for c in (*data.channels, "mask")}
    assert len({spec.name for spec in specs}) == len(specs)
    assert all(spec.scans <= known for spec in specs)


def test_a_change_rests_on_both_visits_and_a_visit_on_itself():
    for spec in quantity_specs(DataConfig(), _IMAGING):
        visits = {scan.split(".")[0] for scan in spec.scans}
        if spec.name.startswith("interim_vs_baseline."):
            assert visits == {"baseline", "interim"}
        elif spec.scans:
            assert visits == {spec.name.split(".")[0]} or spec.name == "lesion.volume_ln_ml"


def test_one_visit_has_no_change():
    both = DataConfig()
    alone = DataConfig(timepoints=("baseline",))
    assert not any("_vs_" in name for name in _names(alone))
    assert set(_names(alone)) < set(_names(both))


def test_a_channel_that_is_left_out_takes_its_quantities_with_it():
    without = DataConfig(branches={"mri": ("dce_pre", "dce_early", "dce_late", "t2", "adc")})
    assert not any(".pet" in name for name in _names(without))
    assert [n for n in _names(DataConfig()) if ".dce." in n] == [
        n for n in _names(without) if ".dce." in n
    ]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (("dce_late", "dce_pre"), ("dce_pre", "dce_late")),
        (("dce_early",), ()),
        (("dce_1", "dce_pre", "dce_2", "dce_3"), ("dce_pre", "dce_1", "dce_3")),
    ],
)
def test_phases_are_the_pre_contrast_one_the_first_and_the_last(channels, expected):
    data = DataConfig(branches={"mri": channels})
    assert Channels.of(data, _IMAGING).phases == expected
