"""What is taken for what."""

from pcrnet.config.layers import load_experiment
from pcrnet.review.channel_rules import rules_in_words


def _lines(*settings):
    experiment = load_experiment(list(settings))
    return rules_in_words(experiment.data, experiment.imaging)


def test_the_default_channels_need_no_warning():
    (line,) = _lines()
    assert "pet SUV" in line
    assert "dce_pre, dce_early, dce_late relative to before contrast, which is dce_pre" in line
    assert "t2 standardised in each scan" in line


def test_pet_under_another_name_is_warned_of_with_a_setting_that_mends_it():
    branches = "data.branches={pet: [fdg], mri: [t1_pre, t1_gd, t2_fs, dwi_adc]}"
    said = " ".join(_lines(branches))
    assert "fdg, t1_pre, t1_gd, dwi_adc should keep their scale" in said
    assert "no lesion is found" in said
    setting = "imaging.channels={fdg: suv, t1_pre: dce, t1_gd: dce, dwi_adc: adc}"
    assert f"'{setting}'" in said
    (line,) = _lines(branches, setting)
    assert "which is t1_pre" in line


def test_a_rule_that_is_stated_is_meant():
    said = _lines("data.branches={all: [fdg, pet]}", "imaging.channels={fdg: zscore}")
    assert len(said) == 1


def test_the_order_of_phases_tells_which_is_before_contrast():
    settings = "imaging.channels={gd: dce, plain: dce}"
    (line,) = _lines("data.branches={pet: [pet], mri: [gd, plain]}", settings)
    assert "which is gd" in line
