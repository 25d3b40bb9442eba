"""Names that should have told a rule of intensity."""

import pytest

from pcrnet.cohort.channel_names import channels_setting, likely_kinds, looks_like_pet
from pcrnet.config.imaging import ImagingConfig


@pytest.mark.parametrize("name", ["t2", "dwi", "flair", "t1_pre", "petra", "grade"])
def test_names_that_tell_nothing_are_left_alone(name):
    assert likely_kinds([name]) == {}
    assert channels_setting({}) == ""
    assert not looks_like_pet(name)


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["FDG", "pet2", "suv-bw"], ["suv", "suv", "suv"]),
        (["dwi_adc", "ADC"], ["adc", "adc"]),
        (["t1_pre", "t1_gd"], ["dce", "dce"]),
    ],
)
def test_names_that_resemble_are_told(names, kinds):
    assert likely_kinds(names) == dict(zip(names, kinds, strict=True))


@pytest.mark.parametrize("name", ["pet", "pet_late", "adc", "dce_pre", "ct", "ser", "adc_b800"])
def test_what_settings_know_by_its_name_needs_no_suggestion(name):
    assert ImagingConfig().channel_kind(name) != "zscore"
    assert likely_kinds([name]) == {}


def test_the_setting_is_what_a_shell_hands_over():
    setting = "'imaging.channels={fdg: suv, t1_gd: dce}'"
    assert channels_setting({"fdg": "suv", "t1_gd": "dce"}) == setting
