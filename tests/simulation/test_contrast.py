from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from pcrnet.imaging.mr.kinetics import PlasmaInput, parker_arterial_input, parker_plasma
from pcrnet.simulation.contrast import PHASE_SECONDS, dce_signals, tissue_concentrations
from pcrnet.simulation.tissue import AIR, FAT, GLAND, TissueMaps


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)


def test_uptake_agrees_with_the_osipi_reference_curves(test_data):
    path = test_data / "osipi_dce" / "dce_DRO_data_extended_tofts.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    noiseless = [row for row in rows if "highSNR" in row["label"]]
    assert len(noiseless) >= 3
    for row in noiseless:
        time_s, curve = _numbers(row["t"]), _numbers(row["C"])
        plasma = PlasmaInput(time_s, _numbers(row["ca"]))
        chosen = time_s[[30, 60, 100, -1]]
        maps = [np.array([float(row[name])], dtype=np.float32) for name in ("Ktrans", "ve", "vp")]
        found = np.array(tissue_concentrations(*maps, plasma, tuple(chosen)))[:, 0]
        expected = curve[np.isin(time_s, chosen)]
        assert found == pytest.approx(expected, abs=0.02 + 0.05 * curve.max())


@pytest.mark.parametrize("seconds", [90.0, 360.0])
def test_tabulated_uptake_agrees_with_quadrature(seconds):
    rng = np.random.default_rng(0)
    ktrans, ve, vp = (
        rng.uniform(low, high, 5).astype(np.float32)
        for low, high in ((0.01, 0.8), (0.15, 0.6), (0.0, 0.1))
    )
    (found,) = tissue_concentrations(ktrans, ve, vp, parker_plasma(400.0), (seconds,))
    end = seconds / 60.0

    def plasma(minutes: float) -> float:
        return float(parker_arterial_input(minutes)) / (1.0 - 0.42)

    for voxel in range(5):
        rate = ktrans[voxel] / ve[voxel]
        leaked, _ = quad(
            lambda t, rate=rate: plasma(t) * np.exp(-rate * (end - t)),
            0.0,
            end,
            points=(0.17, 0.365, 0.483),
            limit=200,
        )
        expected = vp[voxel] * plasma(end) + ktrans[voxel] * leaked
        assert found[voxel] == pytest.approx(expected, rel=5e-3)


def _signals(*tissues) -> dict[str, np.ndarray]:
    labels = np.arange(len(tissues), dtype=np.uint8).reshape(-1, 1, 1)
    maps = TissueMaps.from_labels(labels, tissues)
    return {phase: signal.ravel() for phase, signal in dce_signals(maps).items()}


def test_air_gives_no_signal_and_fat_hardly_enhances():
    signals = _signals(AIR, FAT, GLAND)
    enhancement = signals["dce_late"][1:] / signals["dce_pre"][1:] - 1.0
    assert signals["dce_early"][0] == 0.0
    assert enhancement[0] < 0.15
    assert 0.1 < enhancement[1] < 1.0


def test_a_tumour_enhances_early_and_gland_late():
    tumour = FAT.__class__(8.0, 0.85, 1450.0, 72.0, 0.95, 0.3, 0.3, 0.04)
    pre, early, late = (_signals(tumour, GLAND)[phase] for phase in ("dce_pre", *PHASE_SECONDS))
    ratio = (early - pre) / (late - pre)
    assert 1.0 < early[0] / pre[0] - 1.0 < 3.0
    assert ratio[0] > 0.95
    assert ratio[1] < 0.8


def test_pre_contrast_signal_is_the_ernst_formula():
    signal = _signals(GLAND)["dce_pre"][0]
    decay = np.exp(-5.0 / GLAND.t1_ms)
    angle = np.deg2rad(12.0)
    expected = GLAND.water * np.sin(angle) * (1 - decay) / (1 - np.cos(angle) * decay)
    assert signal == pytest.approx(expected, rel=1e-5)
