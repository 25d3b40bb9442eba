"""The picture of what was measured where."""

import io

import numpy as np
import pytest
from PIL import Image

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.quantify.measure import survey_scans
from pcrnet.review import outlines
from pcrnet.review.outlines import outline_picture
from pcrnet.review.sheet import Sheet

_DATA, _IMAGING = DataConfig(), ImagingConfig()


def _picture(volumes, masks):
    scans = PatientScans(volumes, masks, {}, np.array([15.0, 10.0, -5.0]), "mask")
    survey = survey_scans(scans, _DATA, _IMAGING)
    return outline_picture(survey, _DATA, _IMAGING, title="P1")


def _pixels(picture, colour):
    """How many pixels have nearly a colour, given as three bytes."""
    array = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    return int((np.abs(array - np.array(colour)).max(axis=2) < 30).sum())


def test_bed_and_residue_are_outlined_and_a_residue_of_the_first_visit_only_later(
    make_visit, phantom
):
    mask = phantom.ball_mask(12.0, (15.0, 10.0, -5.0))
    both = _picture({"baseline": make_visit(), "interim": make_visit(0.8)}, {"baseline": mask})
    alone = _picture({"baseline": make_visit()}, {"baseline": mask})
    blue, green = (0x56, 0xB4, 0xE9), (0x00, 0x9E, 0x73)
    assert _pixels(both, blue) > _pixels(alone, blue) > 100
    assert _pixels(both, green) > 50
    assert _pixels(alone, green) == 0


def test_there_is_no_picture_without_a_lesion_or_without_uptake_and_enhancement(
    make_visit, phantom
):
    assert _picture({"baseline": make_visit(channels=("t2",))}, {"baseline": None}) is None
    mask = phantom.ball_mask(12.0, (15.0, 10.0, -5.0))
    assert _picture({"baseline": make_visit(channels=("t2", "adc"))}, {"baseline": mask}) is None


@pytest.mark.parametrize("channels", [("pet",), ("dce_pre", "dce_early")])
def test_one_modality_alone_is_drawn(make_visit, channels):
    picture = _picture({"baseline": make_visit(channels=channels)}, {"baseline": None})
    assert Image.open(io.BytesIO(picture)).width > 300


def test_the_picture_says_how_sure_a_found_lesion_is(make_visit, phantom, monkeypatch):
    feet = []

    def noted(*arguments, foot="", **settings):
        feet.append(foot)
        return Sheet(*arguments, foot=foot, **settings)

    monkeypatch.setattr(outlines, "Sheet", noted)
    _picture({"baseline": make_visit(channels=("pet",))}, {"baseline": None})
    mask = phantom.ball_mask(12.0, (15.0, 10.0, -5.0))
    _picture({"baseline": make_visit(channels=("pet",))}, {"baseline": mask})
    assert feet[0].startswith("lesion found, quality 0.")
    assert feet[1].startswith("mask given")
