from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcrnet.review.display import ADC_LOOK, ShownScans, describe_days, focus, suv_look, window_note

KINDS = {"pet": "suv", "dce_pre": "dce", "dce_early": "dce", "t2": "zscore", "adc": "adc"}


def _scans(present: np.ndarray | None = None, masks: np.ndarray | None = None) -> ShownScans:
    rng = np.random.default_rng(1)
    image = rng.normal(1, 0.05, (2, 5, 10, 12, 14)).astype(np.float32)
    image[0, 0, 3, 4, 5] = 9.0
    image[0, 2, 7, 8, 9] = 9.0
    return ShownScans(
        image=image,
        present=np.ones((2, 5), bool) if present is None else present,
        masks=masks,
        channels=tuple(KINDS),
        kinds=tuple(KINDS.values()),
        spacing_mm=np.ones(3),
    )


def test_columns_are_pet_then_pet_over_mr_then_the_rest():
    titles = [column.title for column in _scans().columns]
    assert titles == ["pet", "pet over dce_early", "dce_pre", "dce_early", "t2", "adc"]


def test_pet_lies_over_the_mr_that_is_there_most_often():
    present = np.ones((2, 5), bool)
    present[1, 1:3] = False
    assert _scans(present).columns[1].title == "pet over t2"


def test_absolute_units_have_fixed_windows():
    looks = {column.title: column.look for column in _scans().columns}
    assert looks["pet"] == suv_look("SUVbw")
    assert looks["adc"] is ADC_LOOK


def test_phases_of_dynamic_mr_share_one_window():
    looks = {column.title: column.look for column in _scans().columns}
    assert looks["dce_pre"] == looks["dce_early"]


def test_what_is_missing_does_not_set_the_window():
    present = np.ones((2, 5), bool)
    present[0, 3] = False
    scans = _scans(present)
    scans.image[0, 3] = 100.0
    look = next(column.look for column in scans.columns if column.title == "t2")
    assert look.high < 2


def test_the_cut_goes_through_the_highest_uptake():
    assert focus(_scans()) == ((3, 4, 5), "the highest SUV")


def test_without_pet_it_goes_through_the_strongest_enhancement():
    present = np.ones((2, 5), bool)
    present[:, 0] = False
    assert focus(_scans(present)) == ((7, 8, 9), "the strongest early enhancement")


def test_the_mask_confines_the_search():
    masks = np.zeros((2, 10, 12, 14), bool)
    masks[0, 6:9, 7:10, 8:11] = True
    point, _ = focus(_scans(masks=masks))
    assert masks[(0, *point)]


def test_anatomy_alone_is_cut_where_the_lesion_is_largest():
    present = np.zeros((2, 5), bool)
    present[:, 3] = True
    masks = np.zeros((2, 10, 12, 14), bool)
    masks[0, 2, 3:6, 4:8] = True
    masks[0, 3, 4, 4] = True
    assert focus(_scans(present, masks)) == ((2, 4, 4), "the lesion's largest section")


@pytest.mark.parametrize(("days", "text"), [(-7.0, "day -7"), (21.4, "day +21"), (np.nan, "")])
def test_unknown_days_are_not_printed(days, text):
    assert describe_days(days) == text


def test_the_small_print_speaks_of_pet_only_where_there_is_some_and_in_its_unit():
    scans = _scans()
    assert window_note(scans).startswith("fixed SUVbw window 0–7")
    assert "SUL" in window_note(replace(scans, suv_unit="SUL"))
    assert window_note(replace(scans, kinds=("zscore", *scans.kinds[1:]))) == ""
    look = replace(scans, suv_unit="SUL").columns[1].over.look
    assert (look.label, look.colormap) == ("SUL", "inferno")
