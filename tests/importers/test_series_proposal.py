"""What a series is taken for, and why not."""

import pytest

from pcrnet.importers.series_folders import find_series
from pcrnet.importers.series_proposal import DYNAMIC, MIXED, modality_of, propose


@pytest.fixture
def proposed(save_mr, tmp_path):
    def make(**tags):
        save_mr(tmp_path / "top" / "series", **tags)
        (found,) = find_series(tmp_path / "top")
        return found, propose(found)

    return make


@pytest.mark.parametrize(
    ("description", "channel"),
    [
        ("t2_tse_tra", "t2"),
        ("STIR cor", "t2"),
        ("T1 vibe", "t1"),
        ("ep2d ADC", "adc"),
        ("T2* map", ""),
        ("localizer", ""),
    ],
)
def test_a_description_that_names_a_channel_proposes_it(proposed, description, channel):
    _, found = proposed(SeriesDescription=description)
    assert found.channel == channel
    assert bool(found.note) == (channel == "")


def test_several_volumes_are_a_dynamic_series(proposed):
    _, found = proposed(SeriesDescription="dyn", phases=5)
    assert (found.channel, found.volumes) == (DYNAMIC, "5")


def test_what_was_computed_from_other_images_is_no_channel(proposed):
    _, found = proposed(
        SeriesDescription="t2 sub", ImageType=["DERIVED", "SECONDARY", "SUBTRACTION"]
    )
    assert found.channel == ""
    assert "computed" in found.note


def test_a_modality_is_one_of_the_standards_words_or_other(proposed):
    series, found = proposed(Modality="JANE DOE")
    assert modality_of(series) == "other"
    assert found.note == "not PET or MR"


def test_a_folder_with_other_series_in_it_is_told_so(save_mr, tmp_path):
    save_mr(tmp_path / "top" / "one", SeriesDescription="t2")
    save_mr(tmp_path / "two", SeriesDescription="t2")
    for path in (tmp_path / "two").iterdir():
        path.rename(tmp_path / "top" / "one" / f"other-{path.name}")
    assert {propose(found).note for found in find_series(tmp_path / "top")} == {MIXED}


def test_nothing_of_the_header_but_known_terms_is_repeated(proposed):
    _, found = proposed(SeriesDescription="Jane Doe t2", ImageType=["ORIGINAL", "JANE DOE"])
    assert "JANE" not in repr(found).upper()
