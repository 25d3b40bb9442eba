"""From a dynamic contrast series to maps of its kinetics, as NIfTI with a record beside each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import GeometryError, ImageError, MissingTagError, PhaseError
from pcrnet.imaging.mr.dynamic import DynamicSeries, read_dynamic_series
from pcrnet.imaging.mr.kinetics import (
    HAEMATOCRIT,
    Floats,
    concentration_from_signal,
    parker_plasma,
    percent_enhancement,
    signal_enhancement_ratio,
)
from pcrnet.imaging.mr.phase_choice import phase_at
from pcrnet.imaging.mr.tofts import fit_tofts
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import MASK, read_volume
from pcrnet.imaging.volume import Volume, world_corners
from pcrnet.storage import write_json

_FEWEST_ENHANCED = 4
_SAME_GRID_MM = 0.1


@dataclass(frozen=True)
class TissueModel:
    """What the extended Tofts model needs beside the images; none of it has a default.

    Attributes:
        t1_s: T1 of the tissue before contrast, in seconds.
        relaxivity_l_mmol_s: r₁ of the contrast agent at the scanner's field, in l/(mmol·s).
        arrival_s: Seconds from injection to the bolus in the artery.
    """

    t1_s: float
    relaxivity_l_mmol_s: float
    arrival_s: float = 0.0


@dataclass(frozen=True, eq=False)
class KineticMap:
    """One map.

    Attributes:
        name: Of the file, as ``ser``.
        values: (i, j, k), NaN where the map is not defined.
        unit: For reading.
        formula: How it was computed.
        numbers: What entered, by name.
    """

    name: str
    values: Floats
    unit: str
    formula: str
    numbers: dict[str, float]


def write_kinetic_maps(
    source: Path,
    out: Path,
    settings: DicomConfig | None = None,
    *,
    mask: Path | None = None,
    model: TissueModel | None = None,
) -> tuple[Path, ...]:
    """Write percent enhancement, signal enhancement ratio and, with a model, Ktrans, ve and vp.

    Voxels in which a map is not defined, or that lie outside the mask, hold 0; the record beside
    the map (``.json``) counts them.

    Args:
        source: Folder or zip of one dynamic DICOM series.
        out: Folder of the maps.
        settings: The windows of the phases; the defaults if None.
        mask: NIfTI label image on the grid of the series; all voxels when None.
        model: Fit the extended Tofts model with Parker's input, which takes a mask; left out when
            None.

    Returns:
        Paths of the maps.

    Raises:
        PhaseError: No phase lies in a window, or too few follow the injection for the model.
        MissingTagError: RepetitionTime or FlipAngle, for the model.
        GeometryError: The mask lies on another grid.
        ImageError: As :func:`read_dynamic_series`; or a model without a mask.
    """
    settings = settings or DicomConfig()
    if model is not None and mask is None:
        raise ImageError(
            "the Tofts model is fitted to the voxels of a mask, and there is none",
            remedy="name a label image of the lesion on the grid of the series",
        )
    series = read_dynamic_series(source, settings)
    inside = None if mask is None else _mask_on(series, mask)
    maps = enhancement_maps(series, settings)
    if model is not None and inside is not None:
        maps += tofts_maps(series, model, inside)
    written = []
    for found in maps:
        defined = np.isfinite(found.values)
        shown = defined if inside is None else defined & inside
        values = np.where(shown, found.values, 0.0).astype(np.float32)
        path = out / f"{found.name}.nii.gz"
        write_nifti(Volume(values, series.affine, "arbitrary"), path)
        write_json(out / f"{found.name}.json", _record(found, series, shown))
        written.append(path)
    return tuple(written)


def enhancement_maps(series: DynamicSeries, settings: DicomConfig) -> list[KineticMap]:
    """Percent enhancement of the early phase, and the signal enhancement ratio.

    Raises:
        PhaseError: No phase lies in one of the windows.
    """
    chosen = {
        name: phase_at(series.seconds, name, settings, untimed=series.untimed)
        for name in ("dce_pre", "dce_early", "dce_late")
    }
    before, early, late = (series.signal[index] for index in chosen.values())
    at = {f"{name}_s": series.seconds[index] for name, index in chosen.items()}
    of_two = {name: second for name, second in at.items() if name != "dce_late_s"}
    return [
        KineticMap(
            "pe",
            percent_enhancement(before, early),
            "percent",
            "PE = 100 × (early − pre) / pre",
            of_two,
        ),
        KineticMap(
            "ser",
            signal_enhancement_ratio(before, early, late),
            "ratio",
            "SER = (early − pre) / (late − pre)",
            at,
        ),
    ]


def tofts_maps(
    series: DynamicSeries, model: TissueModel, mask: NDArray[np.bool_]
) -> list[KineticMap]:
    """Ktrans, ve and vp of the extended Tofts model with Parker's population input.

    Ktrans and ve are not defined where their ratio ends at the limit of the search, as in vessels.

    The signal before injection, averaged over its phases, gives M₀; concentration follows from
    the equation of the spoiled gradient echo.

    Args:
        series: Its t phases, values (t, i, j, k).
        model: T1, relaxivity and the arrival of the bolus.
        mask: (i, j, k) where to fit; elsewhere the maps are NaN.

    Raises:
        PhaseError: No phase before the injection, or fewer than four after it.
        MissingTagError: RepetitionTime or FlipAngle.
    """
    repetition_s = _stated(series.repetition_s, "RepetitionTime")
    flip_degrees = _stated(series.flip_degrees, "FlipAngle")
    seconds = np.array(series.seconds)
    after = seconds > 0
    if after.all() or after.sum() < _FEWEST_ENHANCED:
        raise PhaseError(
            f"the model needs a phase before the injection and {_FEWEST_ENHANCED} after it; found "
            f"{int((~after).sum())} and {int(after.sum())}",
            remedy="give the whole dynamic series, or leave the model out",
        )
    signal = series.signal[:, mask]  # (t, voxels of the mask)
    curves = concentration_from_signal(
        signal.T,
        signal[~after].mean(axis=0, dtype=np.float64)[:, None],
        t1_s=model.t1_s,
        repetition_s=repetition_s,
        flip_degrees=flip_degrees,
        relaxivity_l_mmol_s=model.relaxivity_l_mmol_s,
    )
    # The clock starts with the first phase, so that all times are at least 0.
    start = float(seconds[0])
    plasma = parker_plasma(float(seconds[-1]) - start, arrival_s=model.arrival_s - start)
    fit = fit_tofts(curves, seconds - start, plasma)
    numbers = {
        "RepetitionTime_s": repetition_s,
        "FlipAngle_degrees": flip_degrees,
        "t1_s": model.t1_s,
        "relaxivity_l_mmol_s": model.relaxivity_l_mmol_s,
        "arrival_s": model.arrival_s,
        "haematocrit": HAEMATOCRIT,
    }
    formula = (
        "extended Tofts model, C = vp·Cp + Ktrans·∫Cp(τ)·exp(−Ktrans/ve·(t − τ))dτ, with Parker's "
        "population input (0.1 mmol/kg); least squares"
    )
    units = {"ktrans": "1/min", "ve": "fraction", "vp": "fraction"}
    numbers["voxels_at_rate_limit"] = float(fit.at_limit.sum())
    told = ~fit.at_limit
    fitted = {
        "ktrans": np.where(told, fit.ktrans_per_min, np.nan),
        "ve": np.where(told, fit.ve, np.nan),
        "vp": fit.vp,
    }
    maps = []
    for name, unit in units.items():
        values = np.full(mask.shape, np.nan)
        values[mask] = fitted[name]
        maps.append(KineticMap(name, values, unit, formula, numbers))
    return maps


def _stated(found: float | None, keyword: str) -> float:
    if found is None or found <= 0:
        raise MissingTagError(
            f"the model needs {keyword}, and the series does not state one for all its images",
            field=keyword,
            remedy="export the series again with this tag kept, or leave the model out",
        )
    return found


def _mask_on(series: DynamicSeries, path: Path) -> NDArray[np.bool_]:
    mask = read_volume(path, MASK)
    shape = series.signal.shape[1:]
    apart = world_corners(mask.affine, shape) - world_corners(series.affine, shape)
    apart_mm = float(np.abs(apart).max())
    if mask.array.shape != shape or apart_mm > _SAME_GRID_MM:
        raise GeometryError(
            f"the mask is not on the grid of the series: {mask.array.shape} voxels against "
            f"{shape}, corners up to {apart_mm:.1f} mm apart",
            field="mask",
            remedy="resample the mask to the dynamic series",
        )
    return np.asarray(mask.array > 0)


def _record(
    found: KineticMap, series: DynamicSeries, shown: NDArray[np.bool_]
) -> dict[str, object]:
    return {
        "map": found.name,
        "unit": found.unit,
        "formula": found.formula,
        "numbers": found.numbers,
        "phases_s": list(series.seconds),
        "voxels": int(shown.size),
        "voxels_without_value": int(shown.size - shown.sum()),
        "warnings": list(series.notes),
    }
