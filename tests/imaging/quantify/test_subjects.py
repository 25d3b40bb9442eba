"""Every quantity is about one thing, and the names tell which."""

import pytest

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.quantify.specs import quantity_specs
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
