"""From the values of a PET series to the standardised uptake value.

SUVbw = activity concentration [Bq/mL] × body weight [g] / injected activity [Bq] at the time to
which the concentration is decay corrected. Sources: DICOM PS3.3 C.8.9.1, the QIBA FDG-PET profile,
the IBSI-SUV manual (Vácha et al.). Weight, dose, half-life and times have no default: where one is
missing there is no SUV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.tags import missing
from pcrnet.imaging.pet.body import body_surface_m2, lean_mass_kg
from pcrnet.imaging.pet.decay import decay_since, injection, reference_time, undecayed_s
from pcrnet.imaging.pet.suv_numbers import (
    read_dose_bq,
    read_half_life_s,
    read_height_m,
    read_weight_kg,
)
from pcrnet.imaging.pet.suv_tags import SuvTags
from pcrnet.imaging.pet.tracers import check_tracer
from pcrnet.imaging.units import suv_unit
from pcrnet.imaging.volume import Unit

_NAMED_UNITS = frozenset({"PROPCNTS", "PROPCPS", "CPS", "NONE", "1CM", "PCNT", "DEGC", "UMOLML"})
_NORMS = {"lbm-james": "LBMJAMES128", "lbm-janmahasatian": "LBMJANMA", "bsa": "BSA"}


@dataclass(frozen=True)
class SuvFactor:
    """What the rescaled values of each slice are multiplied with.

    Attributes:
        values: One a slice, in the order of the tags' frames; all equal unless the series is not
            decay corrected.
        unit: SUVbw and SUL in g/mL, SUVbsa in cm²/mL.
        formula: In words and symbols.
        reference_time: Which tag says to what time the values are decay corrected; "" where it
            plays no part.
        numbers: Every number used, by the keyword of its tag, and the elapsed seconds.
        warnings: What was concluded from the tags beyond their letter.
    """

    values: tuple[float, ...]
    unit: Unit
    formula: str
    reference_time: str = ""
    numbers: tuple[tuple[str, float], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """The one factor of a series that has one.

        Raises:
            ValueError: The factors of the slices differ.
        """
        if len(set(self.values)) != 1:
            raise ValueError("the factors of the slices differ")
        return self.values[0]


def suv_factor(tags: SuvTags, settings: DicomConfig) -> SuvFactor:
    """The factor to the SUV that the settings ask for, of a tracer that they let in.

    Raises:
        TracerError: Another tracer.
        MissingTagError, UnitError: As :func:`suvbw_factor`; also height and sex, for lean body
            mass and body surface.
    """
    check_tracer(tags.tracer, settings.tracers)
    factor = suvbw_factor(tags)
    factor = replace(factor, warnings=_notes(*factor.warnings, *tags.notes, _offset_note(tags)))
    if settings.suv == "bw":
        return factor
    norm = _NORMS[settings.suv]
    share, note = _share_of_weight(tags, norm)
    body = {"PatientWeight": read_weight_kg(tags).value, "PatientSize": read_height_m(tags).value}
    return replace(
        factor,
        values=tuple(value * share for value in factor.values),
        unit=suv_unit(settings),
        formula=f"({factor.formula}) × {norm} / weight",
        numbers=tuple({**dict(factor.numbers), **body}.items()),
        warnings=_notes(*factor.warnings, note),
    )


def suvbw_factor(tags: SuvTags) -> SuvFactor:
    """The factor from rescaled values to SUVbw in g/mL.

    Raises:
        MissingTagError: A tag without which a number would have to be invented.
        UnitError: Not attenuation corrected, units that are no activity, or numbers that
            contradict one another.
    """
    if tags.attenuation_corrected is None:
        raise missing("CorrectedImage")
    if not tags.attenuation_corrected:
        raise UnitError(
            "the PET is not attenuation corrected: its values are no activity",
            field="CorrectedImage",
            remedy="give the attenuation-corrected series",
        )
    match tags.units:
        case "BQML":
            return _from_activity(tags, [1.0] * len(tags.frames))
        case "CNTS":
            return _from_philips_counts(tags)
        case "GML" | "CM2ML" if tags.decay_correction == "NONE":
            raise _undecayed_suv("the stored SUV")
        case "GML":
            return _from_stored_suv(tags, tags.suv_type or "BW")
        case "CM2ML":
            return _from_stored_suv(tags, "BSA")
        case "":
            raise missing("Units")
        case other:
            found = other if other in _NAMED_UNITS else "none of the standard's for activity"
            raise UnitError(
                f"the units of the PET are {found}; expected BQML, GML, CM2ML or Philips' CNTS",
                field="Units",
                remedy="export the quantitative series",
            )


def _from_activity(tags: SuvTags, to_bqml: Sequence[float]) -> SuvFactor:
    """Factors for values that ``to_bqml`` brings to Bq/mL, slice by slice."""
    weight, dose = read_weight_kg(tags), read_dose_bq(tags)
    base = weight.value * 1000.0 / dose.value
    injected = SuvFactor(
        values=tuple(base * scale for scale in to_bqml),
        unit="SUVbw",
        formula="SUVbw = value [Bq/mL] × weight [g] / dose [Bq]",
        numbers=(("PatientWeight", weight.value), ("RadionuclideTotalDose", dose.value)),
        warnings=_notes(weight.note, dose.note),
    )
    match tags.decay_correction:
        case "ADMIN":
            return replace(injected, reference_time="injection (DecayCorrection ADMIN)")
        case "START" | "STATED":
            return _decayed_to_reference(tags, injected)
        case "NONE":
            return _undecayed(tags, injected)
        case "":
            raise missing("DecayCorrection")
        case _:
            raise UnitError(
                "the decay correction is none of START, ADMIN and NONE",
                field="DecayCorrection",
                remedy="export the series again from the scanner or PACS",
            )


def _decayed_to_reference(tags: SuvTags, injected: SuvFactor) -> SuvFactor:
    """What was injected has decayed until the time to which the values are corrected."""
    half_life_s = read_half_life_s(tags)
    reference = reference_time(tags)
    start = injection(tags, reference.seconds, begun_s=_begun_s(tags))
    elapsed_s = reference.seconds - start.value
    factor = decay_since(elapsed_s, half_life_s)
    return replace(
        injected,
        values=tuple(value * factor for value in injected.values),
        formula=f"{injected.formula} × 2^(elapsed / half-life)",
        reference_time=reference.source,
        numbers=(
            *injected.numbers,
            ("RadionuclideHalfLife", half_life_s),
            ("elapsed_s", elapsed_s),
        ),
        warnings=_notes(*injected.warnings, start.note, reference.note),
    )


def _begun_s(tags: SuvTags) -> float | None:
    """When the first slice was acquired; None where a slice does not say."""
    times = [frame.acquired_s for frame in tags.frames]
    return None if None in times else min(time for time in times if time is not None)


def _undecayed(tags: SuvTags, injected: SuvFactor) -> SuvFactor:
    """Each slice is corrected for the decay until the moment that its values stand for."""
    half_life_s = read_half_life_s(tags)
    moments_s, source = undecayed_s(tags)
    start = injection(tags, min(moments_s))
    elapsed_s = [moment - start.value for moment in moments_s]
    return replace(
        injected,
        values=tuple(
            value * decay_since(elapsed, half_life_s)
            for value, elapsed in zip(injected.values, elapsed_s, strict=True)
        ),
        formula=f"{injected.formula} × 2^(elapsed / half-life), slice by slice; in a frame of "
        "duration T the activity equals its mean after ln(λT / (1 − e^(−λT))) / λ, with λ = "
        "ln 2 / half-life",
        reference_time=f"{source} (DecayCorrection NONE)",
        numbers=(
            *injected.numbers,
            ("RadionuclideHalfLife", half_life_s),
            ("elapsed_s, earliest slice", min(elapsed_s)),
            ("elapsed_s, latest slice", max(elapsed_s)),
        ),
        warnings=_notes(*injected.warnings, start.note),
    )


def _from_philips_counts(tags: SuvTags) -> SuvFactor:
    """Philips' conformance statements: a factor to SUV, else one to Bq/mL; 0 means none."""
    to_suv = [frame.philips_suv or 0.0 for frame in tags.frames]
    to_bqml = [frame.philips_activity or 0.0 for frame in tags.frames]
    if all(factor > 0 for factor in to_suv):
        if tags.decay_correction == "START":
            return SuvFactor(
                values=tuple(to_suv),
                unit="SUVbw",
                formula="SUVbw = value [counts] × Philips SUV factor (7053,xx00)",
                numbers=(("(7053,xx00)", to_suv[0]),),
            )
        if not tags.decay_correction:
            raise missing("DecayCorrection")
        if not all(factor > 0 for factor in to_bqml):
            raise _undecayed_suv("Philips' SUV factor (7053,xx00)")
    if not all(factor > 0 for factor in to_bqml):
        raise missing(
            "(7053,xx00) or (7053,xx09)",
            "export the series with Philips' private tags kept; counts alone have no unit",
        )
    factor = _from_activity(tags, to_bqml)
    passed_over = (
        f"DecayCorrection is {tags.decay_correction}, and Philips' SUV factor presumes START: the "
        "activity factor (7053,xx09) is used instead"
    )
    return replace(
        factor,
        formula=f"{factor.formula}; value = counts × Philips activity factor (7053,xx09)",
        numbers=(*factor.numbers, ("(7053,xx09)", to_bqml[0])),
        warnings=_notes(*factor.warnings, passed_over if all(to_suv) else ""),
    )


def _undecayed_suv(what: str) -> UnitError:
    return UnitError(
        f"{what} presumes values that are corrected for decay to the start of the scan, and "
        "DecayCorrection says otherwise: beds an hour apart would differ by a third",
        field="DecayCorrection",
        remedy="export the series in Bq/mL, or with Philips' activity factor (7053,xx09)",
    )


def _from_stored_suv(tags: SuvTags, norm: str) -> SuvFactor:
    """Values that the scanner has already normalised, by whatever SUVType says."""
    if norm == "BW":
        return SuvFactor((1.0,) * len(tags.frames), "SUVbw", "SUVbw = value [g/mL], as stored")
    share, note = _share_of_weight(tags, norm)
    return SuvFactor(
        values=(1.0 / share,) * len(tags.frames),
        unit="SUVbw",
        formula=f"SUVbw = value, normalised to {norm}, × weight / {norm}",
        numbers=(
            ("PatientWeight", read_weight_kg(tags).value),
            ("PatientSize", read_height_m(tags).value),
        ),
        warnings=_notes(read_weight_kg(tags).note, read_height_m(tags).note, note),
    )


def _share_of_weight(tags: SuvTags, norm: str) -> tuple[float, str]:
    """SUV of another norm over SUVbw, and a note; surface in cm² over weight in g."""
    weight_kg, height_m = read_weight_kg(tags).value, read_height_m(tags).value
    if norm == "BSA":
        return body_surface_m2(weight_kg, height_m) * 1e4 / (weight_kg * 1e3), ""
    if not tags.sex:
        raise missing("PatientSex")
    mass = lean_mass_kg(norm, weight_kg, height_m, tags.sex)
    note = "PatientSex is O: the mean of both sexes' formulas" if tags.sex == "O" else ""
    return mass / weight_kg, note


def _offset_note(tags: SuvTags) -> str:
    """The standard has no other intercept than 0 in PET (PS3.3 C.8.9.4)."""
    offset = any(frame.scale is not None and frame.scale[1] != 0.0 for frame in tags.frames)
    return "RescaleIntercept is not 0, as it should be in PET; it is applied" if offset else ""


def _notes(*notes: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for note in notes if note))
