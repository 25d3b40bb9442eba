from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pcrnet.cohort.table import read_cohort
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient
from pcrnet.review.patient_picture import patient_picture

KINDS = {"pet": "suv", "dce_pre": "dce", "dce_early": "dce", "t2": "zscore", "adc": "adc"}
CHANNELS = tuple(KINDS)


def _tensor(**missing: bool) -> PatientTensor:
    rng = np.random.default_rng(1)
    image = rng.normal(1, 0.1, (2, len(CHANNELS), 16, 14, 12)).astype(np.float16)
    image[0, 0, 11, 4, 8] = 9.0
    present = np.ones(image.shape[:2], bool)
    for channel in missing:
        present[1, CHANNELS.index(channel)] = False
    return PatientTensor(
        image=image,
        present=present,
        days=np.array([-3, np.nan], np.float32),
        centre_mm=np.zeros(3),
        crop="lesion",
        quantities=Quantities({}, QuantityFlags("none", None, float("nan"), {}, ())),
    )


def _picture(tensor: PatientTensor, **options) -> bytes:
    settings = {
        "spacing_mm": (2.0, 2.0, 3.0),
        "kinds": KINDS,
        "title": "P-001",
        "simulated": False,
    }
    return patient_picture(tensor, CHANNELS, ("baseline", "interim"), **(settings | options))


def _words(monkeypatch, tensor: PatientTensor, **options) -> list[str]:
    """Every text of the figure, read just before it is written."""
    from matplotlib.figure import Figure

    words: list[str] = []
    save = Figure.savefig

    def spy(self, *args, **kwargs):
        texts = [*self.texts, *(text for axes in self.axes for text in axes.texts)]
        words.extend(text.get_text().replace("\n", " ") for text in texts)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    _picture(tensor, **options)
    return words


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_equal_patients_give_equal_bytes():
    assert _picture(_tensor()) == _picture(_tensor())


def test_missing_scans_are_said_to_be_missing(monkeypatch):
    words = _words(monkeypatch, _tensor(adc=True, pet=True))
    # The ADC, the PET, and the PET over MR that cannot be drawn without it.
    assert words.count("not acquired") == 3


def test_a_simulated_patient_says_so_and_a_real_one_does_not(monkeypatch):
    assert any("SIMULATED" in word for word in _words(monkeypatch, _tensor(), simulated=True))
    assert not any("SIMULATED" in word for word in _words(monkeypatch, _tensor()))


def test_window_plane_voxels_and_days_are_stated(monkeypatch):
    words = _words(monkeypatch, _tensor())
    small_print = next(word for word in words if "plane" in word)
    assert "fixed SUVbw window 0–7" in small_print
    assert "2 × 2 × 3 mm" in small_print
    assert "axial plane through the highest SUV, +8 mm" in small_print  # slice 8 of 0…11
    assert "day -3" in words
    assert not any("nan" in word for word in words)


@pytest.mark.parametrize(
    ("missing_channels", "mask", "reason"),
    [
        ((), False, "the highest SUV"),
        (("pet",), False, "the strongest early enhancement"),
        (("pet", "dce_early"), True, "the lesion's largest section"),
        (("pet", "dce_early"), False, "the middle"),
    ],
)
def test_the_slice_is_chosen_by_what_there_is(monkeypatch, missing_channels, mask, reason):
    tensor = _tensor()
    present = tensor.present.copy()
    present[:, [CHANNELS.index(name) for name in missing_channels]] = False
    lesion = np.zeros(tensor.image.shape[2:], bool)
    lesion[3:6, 3:6, 5:7] = True
    tensor = replace(tensor, present=present)
    words = _words(monkeypatch, tensor, mask=lesion if mask else None)
    assert any(reason in word for word in words)


def test_the_patients_right_is_on_the_viewers_left():
    tensor = _tensor()
    tensor.image[:] = 0
    tensor.image[:, 0, 12:, :, :] = 7  # toward R: the last voxels along x
    pixels = _pixels(_picture(tensor))
    first_panel = pixels[110:290, 120:320].astype(float).mean(2)
    left, right = first_panel[:, :60].mean(), first_panel[:, -60:].mean()
    assert left < 100 < right  # inverse grey: uptake is dark


@pytest.mark.parametrize("hottest", [3.0, 30.0])
def test_the_grey_of_an_uptake_does_not_depend_on_the_hottest_voxel(hottest):
    tensor = _tensor()
    tensor.image[:, 0] = 3.0
    tensor.image[:, 0, 0, 0, 0] = hottest
    pixels = _pixels(_picture(tensor))
    # A spot of the first panel between its marks, far from the hottest voxel.
    assert pixels[150, 180].tolist() == [round(255 * (1 - 3 / 7))] * 3


def test_a_real_patient_shows_pet_and_mr_together(test_data, monkeypatch):
    data = DataConfig(timepoints=("baseline",), branches={"pet": ("pet",), "mri": ("t1",)})
    imaging = ImagingConfig(spacing_mm=(4, 4, 4), size=(32, 32, 24))
    path = test_data / "sts_petmr_cohort" / "cohort.csv"
    cohort = read_cohort(path, timepoints=data.timepoints, channels=data.channels)
    tensor = preprocess_patient(cohort.patients[0], data, imaging)
    picture = patient_picture(
        tensor,
        data.channels,
        data.timepoints,
        spacing_mm=imaging.spacing_mm,
        kinds={name: imaging.channel_kind(name) for name in data.channels},
        title=cohort.patients[0].patient_id,
        simulated=False,
    )
    pixels = _pixels(picture).astype(int)
    colourful = (pixels.max(2) - pixels.min(2)) > 60
    # Colour is in the fused panel, the second of three, and in the bar below it.
    assert colourful[:, 345:545].sum() > 0.99 * colourful.sum() > 500
