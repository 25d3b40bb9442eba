import json

import pytest

from pcrnet.errors import UnitError
from pcrnet.importers.bids_pet import participant_weight_kg, read_sidecar, suv_factor

_SIDECAR = {
    "TracerName": "FDG",
    "TracerRadionuclide": "F18",
    "Units": "Bq/mL",
    "InjectedRadioactivity": 350,
    "InjectedRadioactivityUnits": "MBq",
    "InjectionStart": 0,
    "ScanStart": 3600,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 3600,
    "BodyWeight": 70,
}


def test_suv_follows_from_weight_dose_and_decay():
    assert suv_factor(_SIDECAR, None) == pytest.approx(70_000 / 350e6 * 2 ** (3600 / 6586.2))
    corrected_to_injection = _SIDECAR | {"ImageDecayCorrectionTime": 0}
    assert suv_factor(corrected_to_injection, None) == pytest.approx(70_000 / 350e6)
    kilo = _SIDECAR | {"Units": "kBq/mL"}
    assert suv_factor(kilo, None) == pytest.approx(1000 * suv_factor(_SIDECAR, None))
    by_participant = {key: _SIDECAR[key] for key in _SIDECAR if key != "BodyWeight"}
    assert suv_factor(by_participant, 70.0) == pytest.approx(suv_factor(_SIDECAR, None))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"TracerName": "FES"}, "TracerName"),
        ({"Units": "counts"}, "Units"),
        ({"Units": None}, "Units"),
        ({"InjectedRadioactivity": "n/a"}, "InjectedRadioactivity"),
        ({"InjectedRadioactivityUnits": "mCi"}, "InjectedRadioactivityUnits"),
        ({"BodyWeight": 0}, "BodyWeight"),
        ({"ImageDecayCorrected": False}, "ImageDecayCorrected"),
        ({"TracerRadionuclide": "C11"}, "TracerRadionuclide"),
        ({"ImageDecayCorrectionTime": -60}, "ImageDecayCorrectionTime"),
        ({"InjectionStart": True}, "InjectionStart"),
        ({"InjectedRadioactivity": 350e6}, "InjectedRadioactivity"),
        ({"AttenuationCorrection": "none"}, "AttenuationCorrection"),
        ({"BodyWeight": True}, "BodyWeight"),
    ],
)
def test_nothing_is_filled_in(change, field):
    with pytest.raises(UnitError) as caught:
        suv_factor(_SIDECAR | change, None)
    assert caught.value.field == field


def test_values_in_suv_are_left_as_they_are():
    assert suv_factor({"TracerName": "[18F]FDG", "Units": "g/mL"}, None) == 1.0


def test_nearer_sidecars_go_before_those_further_up(tmp_path):
    top = tmp_path / "bids"
    image = top / "sub-01" / "ses-a" / "pet" / "sub-01_ses-a_rec-acstat_pet.nii.gz"
    image.parent.mkdir(parents=True)
    for path, stated in (
        (top / "pet.json", {"Units": "top", "TracerName": "top"}),
        (top / "rec-nacstat_pet.json", {"TracerName": "of another reconstruction"}),
        (top / "T1w.json", {"TracerName": "of another kind"}),
        (top / "sub-01" / "sub-01_pet.json", {"Units": "subject"}),
        (image.with_name("sub-01_ses-a_rec-acstat_pet.json"), {"BodyWeight": 70}),
    ):
        path.write_text(json.dumps(stated))
    (tmp_path / "pet.json").write_text(json.dumps({"ScanStart": "above the data set"}))
    assert read_sidecar(image, top) == {
        "Units": "subject",
        "TracerName": "top",
        "BodyWeight": 70,
    }


@pytest.mark.parametrize(
    ("row", "described", "expected"),
    [
        ({"weight": "70"}, {}, 70.0),
        ({"weight": "70"}, {"weight": {"Units": "kg"}}, 70.0),
        ({"weight": "154"}, {"weight": {"Units": "lb"}}, None),
        ({"weight": "heavy"}, {}, None),
        ({"weight": ""}, {}, None),
        ({"weight": "", "body_weight": "71"}, {}, 71.0),
        ({"age": "40"}, {}, None),
    ],
)
def test_the_weight_of_a_participant_is_in_kilograms_or_none(row, described, expected):
    assert participant_weight_kg(row, described) == expected
