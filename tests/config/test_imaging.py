"""Settings of imaging: the intensity rule of a channel, and their ranges."""

import pytest

from pcrnet.config.imaging import ImagingConfig


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("pet", "suv"),
        ("pet_late", "suv"),
        ("petx", "zscore"),
        ("dce_early", "dce"),
        ("t2", "zscore"),
    ],
)
def test_the_intensity_rule_follows_from_the_name(channel, kind):
    assert ImagingConfig().channel_kind(channel) == kind


def test_a_stated_intensity_rule_overrules_the_name():
    assert ImagingConfig(channels={"pet": "zscore"}).channel_kind("pet") == "zscore"


def test_a_value_out_of_range_names_the_key_and_what_was_found(refusal):
    text = refusal("imaging.dicom.dce_early_s=[150, 60]")
    assert "imaging.dicom" in text
    assert "increasing" in text
