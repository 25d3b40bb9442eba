"""Every quantity is about one thing, and the names tell which."""

from typing import get_args

import pytest

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.imaging.quantify.specs import QuantitySpec, quantity_specs
from pcrnet.imaging.quantify.subjects import SUBJECTS, subject_of

DATA, IMAGING = DataConfig(), ImagingConfig()
KINDS = {channel: IMAGING.channel_kind(channel) for channel in DATA.channels}
FOUND = {spec.name: subject_of(spec, KINDS) for spec in quantity_specs(DATA, IMAGING)}


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("baseline.pet.suvpeak_ln_suv", "uptake"),
        ("baseline.dce.pe_ln", "enhancement"),
        ("interim.adc.p10_1e3_mm2_s", "ADC"),
        ("interim.pet_adc.weighted_adc_1e3_mm2_s", "ADC"),
        ("baseline.t2.lesion_to_near_ln", "signal"),
        ("lesion.volume_ln_ml", "shape"),
        ("baseline.pet.rim_to_core_ln", "shape"),
        ("interim_vs_baseline.adc.change_p10_1e3_mm2_s", "change"),
        ("interim_vs_baseline.pet.node_tracked_ln_ratio", "nodes"),
        ("interim.days", "days"),
    ],
)
def test_a_quantity_counts_for_its_subject(name, subject):
    assert FOUND[name] == subject


def test_every_subject_has_quantities():
    assert set(FOUND.values()) == set(SUBJECTS)


def test_every_quantity_beside_a_ct_has_a_subject_and_none_is_of_the_ct():
    data = DataConfig(branches={"pet": ("pet",), "ct": ("ct",)})
    kinds = {channel: IMAGING.channel_kind(channel) for channel in data.channels}
    specs = quantity_specs(data, IMAGING)
    assert {subject_of(spec, kinds) for spec in specs} == {
        *("uptake", "shape", "change", "nodes", "days")
    }
    assert not [spec.name for spec in specs if ".ct" in spec.name]


@pytest.mark.parametrize("kind", get_args(ChannelKind))
def test_a_quantity_of_any_kind_of_channel_would_have_a_subject(kind):
    spec = QuantitySpec("baseline.own.p10_1", "", "1", frozenset(), True)
    assert subject_of(spec, {"own": kind}) in SUBJECTS
