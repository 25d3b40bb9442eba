from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcrnet.imaging.mr.kinetics import (
    concentration_from_signal,
    parker_arterial_input,
    percent_enhancement,
    signal_enhancement_ratio,
    spoiled_gradient_signal,
)


def _rows(path: Path) -> list[dict[str, str]]:
    return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)


# --- enhancement maps -----------------------------------------------------------------------


def _slices(archive: Path) -> list[pydicom.Dataset]:
    with zipfile.ZipFile(archive) as files:
        names = [name for name in files.namelist() if not name.endswith("/")]
        found = [pydicom.dcmread(io.BytesIO(files.read(name))) for name in names]
    return sorted(found, key=lambda one: int(one.InstanceNumber))


def _pixels(slices: list[pydicom.Dataset]) -> np.ndarray:
    return np.stack(
        [
            one.pixel_array * float(one.get("RescaleSlope", 1))
            + float(one.get("RescaleIntercept", 0))
            for one in sorted(slices, key=lambda one: float(one.ImagePositionPatient[0]))
        ]
    )


@pytest.fixture(scope="module")
def ucsf(test_data):
    folder = test_data / "breast_dce_UCSF-BR-08"
    series = _slices(folder / "image_dce_3dfgre_orig.zip")
    phases = [_pixels(series[start : start + 60]) for start in (0, 60, 120)]
    pe1, ser = (_pixels(_slices(folder / f"image_dce_{name}.zip")) for name in ("pe1", "ser"))
    return phases, pe1, ser


def test_percent_enhancement_is_ucsfs_own_map(ucsf):
    (before, early, _), pe1, _ = ucsf
    shown = pe1 != 0
    assert shown.sum() > 10_000
    ours = np.floor(percent_enhancement(before, early))
    np.testing.assert_array_equal(ours[shown], pe1[shown])


def test_signal_enhancement_ratio_is_ucsfs_own_map(ucsf):
    (before, early, late), _, ser = ucsf
    shown = ser != 0
    assert shown.sum() > 10_000
    ours = np.clip(signal_enhancement_ratio(before, early, late), 0, 3)
    assert np.abs(ours[shown] - ser[shown]).max() <= 0.0005 + 1e-9


def test_enhancement_is_unknown_where_nothing_was_measured_before():
    assert np.isnan(percent_enhancement([0.0, -1.0], [5.0, 5.0])).all()


def test_enhancement_ratio_is_unknown_where_the_late_phase_shows_no_change():
    ratio = signal_enhancement_ratio([10.0, 10.0], [20.0, 10.0], [10.0, 20.0])
    np.testing.assert_array_equal(ratio, [np.nan, 0.0])


@given(gain=st.floats(0.01, 100), values=st.tuples(*[st.floats(1, 1000)] * 3))
def test_enhancement_does_not_depend_on_the_scanners_gain(gain, values):
    before, early, late = values
    np.testing.assert_allclose(
        percent_enhancement(gain * before, gain * early),
        percent_enhancement(before, early),
        1e-6,
        1e-6,
    )
    if abs(late - before) > 1e-3:
        np.testing.assert_allclose(
            signal_enhancement_ratio(gain * before, gain * early, gain * late),
            signal_enhancement_ratio(before, early, late),
            rtol=1e-6,
            atol=1e-9,
        )


# --- arterial input, signal -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["ParkerAIF_ref.csv", "ParkerAIF_ref_with_delay.csv"])
def test_parkers_arterial_input_is_that_of_osipi(test_data, name):
    rows = _rows(test_data / "osipi_dce" / name)
    time_min, blood, delay_s = (
        np.array([float(row[key]) for row in rows]) for key in ("time", "Cb", "delay")
    )
    np.testing.assert_allclose(
        parker_arterial_input(time_min - delay_s / 60), blood, rtol=1e-12, atol=1e-12
    )


def test_concentration_from_signal_is_that_of_osipi(test_data):
    rows = _rows(test_data / "osipi_dce" / "SI2Conc_data.csv")
    assert len(rows) == 5
    for row in rows:
        signal = _numbers(row["s"])
        # OSIPI's baseline leaves out the first image, before the steady state.
        baseline = signal[1 : int(row["numbaselinepts"])].mean()
        ours = concentration_from_signal(
            signal,
            baseline,
            t1_s=float(row["T1base"]),
            repetition_s=float(row["TR"]),
            flip_degrees=float(row["FA"]),
            relaxivity_l_mmol_s=float(row["r1"]),
        )
        np.testing.assert_allclose(ours, _numbers(row["conc"]), atol=1e-5)


@given(
    concentration=st.floats(0, 8),
    t1_s=st.floats(0.3, 3),
    repetition_s=st.floats(0.003, 0.01),
    flip_degrees=st.floats(8, 30),
)
def test_signal_and_concentration_are_inverse(concentration, t1_s, repetition_s, flip_degrees):
    scan = {"repetition_s": repetition_s, "flip_degrees": flip_degrees}
    before = spoiled_gradient_signal(t1_s, equilibrium=700.0, **scan)
    after = spoiled_gradient_signal(1 / (1 / t1_s + 4.5 * concentration), equilibrium=700.0, **scan)
    back = concentration_from_signal(after, before, t1_s=t1_s, relaxivity_l_mmol_s=4.5, **scan)
    assert back == pytest.approx(concentration, abs=1e-6)


def test_no_concentration_explains_a_signal_beyond_saturation():
    scan = {"t1_s": 1.0, "repetition_s": 0.005, "flip_degrees": 12.0, "relaxivity_l_mmol_s": 4.5}
    assert np.isnan(concentration_from_signal([1000.0, 1.0], [1.0, 0.0], **scan)).all()
