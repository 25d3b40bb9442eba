from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares
from scipy.signal import fftconvolve

from pcrnet.imaging.mr.kinetics import PlasmaInput, parker_plasma
from pcrnet.imaging.mr.tofts import ToftsBounds, fit_tofts, tofts_concentration


def _rows(path: Path) -> list[dict[str, str]]:
    return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)


def _within_osipi(row: dict[str, str], fit) -> bool:
    """OSIPI's tolerances: Ktrans 0.005/min + 10 %, ve 0.05, vp 0.025."""
    ktrans, ve, vp = (float(row.get(name, 0)) for name in ("Ktrans", "ve", "vp"))
    return bool(
        abs(fit.ktrans_per_min - ktrans) <= 0.005 + 0.1 * ktrans
        and abs(fit.ve - ve) <= 0.05
        and abs(fit.vp - vp) <= 0.025
    )


@pytest.mark.parametrize(
    ("name", "extended", "count"),
    [("dce_DRO_data_tofts.csv", False, 25), ("dce_DRO_data_extended_tofts.csv", True, 15)],
)
def test_every_row_of_osipi_is_fitted_within_its_tolerance(test_data, name, extended, count):
    rows = _rows(test_data / "osipi_dce" / name)
    failing = []
    for row in rows:
        time_s = _numbers(row["t"])
        plasma = PlasmaInput(time_s, _numbers(row["ca"]))
        if not _within_osipi(row, fit_tofts(_numbers(row["C"]), time_s, plasma, extended=extended)):
            failing.append(row["label"])
    assert len(rows) == count
    assert failing == []


def _curves(seed: int, count: int, noise: float):
    rng = np.random.default_rng(seed)
    plasma = parker_plasma(420.0, arrival_s=20.0)
    time_s = np.arange(0.0, 420.0, 7.0)
    truth = rng.uniform(0.02, 1.5, count), rng.uniform(0.1, 0.8, count), rng.uniform(0, 0.2, count)
    clean = tofts_concentration(*truth, plasma, time_s)
    return truth, clean + noise * rng.normal(size=clean.shape), time_s, plasma


def test_curves_without_noise_give_back_their_parameters():
    truth, curves, time_s, plasma = _curves(0, 300, noise=0.0)
    fit = fit_tofts(curves, time_s, plasma)
    for fitted, true in zip((fit.ktrans_per_min, fit.ve, fit.vp), truth, strict=True):
        np.testing.assert_allclose(fitted, true, rtol=2e-3, atol=1e-4)


def test_no_better_fit_is_found_by_scipy():
    truth, curves, time_s, plasma = _curves(1, 5, noise=0.03)
    fit = fit_tofts(curves, time_s, plasma)
    for number, curve in enumerate(curves):
        best = least_squares(
            lambda p, curve=curve: tofts_concentration(*p, plasma, time_s) - curve,
            [column[number] for column in truth],
            bounds=([1e-6, 1e-3, 0], [5, 1, 0.5]),
        )
        rms = np.sqrt(2 * best.cost / len(time_s))
        assert fit.rms_mmol_l[number] <= rms * (1 + 1e-4)


def test_bounds_are_kept_where_the_free_optimum_breaks_them():
    _, curves, time_s, plasma = _curves(2, 200, noise=0.2)
    bounds = ToftsBounds(ktrans_per_min=0.8, ve=0.5, vp=0.1)
    fit = fit_tofts(curves, time_s, plasma, bounds=bounds)
    assert np.all((fit.ktrans_per_min >= 0) & (fit.ktrans_per_min <= 0.8))
    assert np.nanmax(fit.ve) <= 0.5 * (1 + 1e-9)
    assert np.all((fit.vp >= 0) & (fit.vp <= 0.1))
    assert (fit.vp == 0.1).any()


def test_only_voxels_of_the_mask_with_known_curves_are_fitted():
    _, curves, time_s, plasma = _curves(3, 8, noise=0.0)
    volume = curves.reshape(2, 2, 2, -1).copy()
    volume[0, 0, 0, 5] = np.nan
    mask = np.zeros((2, 2, 2), bool)
    mask[0] = True
    fit = fit_tofts(volume, time_s, plasma, mask=mask)
    fitted = np.isfinite(fit.ktrans_per_min)
    np.testing.assert_array_equal(fitted, mask & np.isfinite(volume).all(-1))
    alone = fit_tofts(curves[1], time_s, plasma)
    assert fit.ktrans_per_min[0, 0, 1] == pytest.approx(alone.ktrans_per_min, rel=1e-9)


def test_a_curve_that_follows_the_input_is_marked_as_at_the_limit_of_the_rate():
    """Of a vessel nothing leaks that could be told from the input itself."""
    plasma = parker_plasma(300.0, arrival_s=10.0)
    time_s = np.arange(0.0, 300.0, 5.0)
    vessel = tofts_concentration(4.0, 0.04, 0.0, plasma, time_s)  # 100/min, searched up to 50
    tissue = tofts_concentration(0.3, 0.3, 0.05, plasma, time_s)
    fit = fit_tofts(np.stack([vessel, tissue, np.zeros(60)]), time_s, plasma)
    assert fit.at_limit.tolist() == [True, False, False]


def test_a_curve_without_contrast_has_no_transfer_and_an_unknown_volume():
    fit = fit_tofts(np.zeros(40), np.arange(40.0), parker_plasma(60.0))
    assert (fit.ktrans_per_min, fit.vp, fit.rms_mmol_l) == (0, 0, 0)
    assert np.isnan(fit.ve)


def test_tissue_curve_is_the_convolution_of_input_and_impulse_response():
    plasma = parker_plasma(300.0, arrival_s=10.0, step_s=0.1)
    ktrans, ve, vp = 0.3, 0.25, 0.05
    impulse = ktrans * np.exp(-ktrans / ve * plasma.time_s / 60)
    leaked = fftconvolve(plasma.plasma_mmol_l, impulse)[: len(impulse)] * 0.1 / 60
    ours = tofts_concentration(ktrans, ve, vp, plasma, plasma.time_s)
    np.testing.assert_allclose(ours, leaked + vp * plasma.plasma_mmol_l, atol=3e-3)


def test_a_slow_wash_out_reduces_to_the_integral_of_the_input():
    plasma = parker_plasma(120.0)
    curve = tofts_concentration(1e-5, 1.0, 0.0, plasma, plasma.time_s)
    area = np.trapezoid(plasma.plasma_mmol_l, plasma.time_s / 60)
    assert curve[-1] == pytest.approx(1e-5 * area, rel=1e-4)
