"""Tracers as real scanners and phantoms write them."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import MissingTagError, TracerError, UnitError
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.pet.tracers import check_tracer, read_tracer
from pcrnet.imaging.series_mark import series_mark


def item(name: str = "", nuclide: str = "C-111A1", **tags: Any) -> Dataset:
    found = Dataset()
    found.Radiopharmaceutical = name
    found.RadionuclideHalfLife = tags.pop("half_life_s", 6586.2)
    code = Dataset()
    code.CodeValue, code.CodeMeaning = nuclide, tags.pop("meaning", "")
    found.RadionuclideCodeSequence = [code]
    drug = tags.pop("drug", "")
    if drug:
        coded = Dataset()
        coded.CodeValue, coded.CodeMeaning = drug, ""
        found.RadiopharmaceuticalCodeSequence = [coded]
    return found


@pytest.mark.parametrize(
    "found",
    [
        item("FDG"),
        item("FDG -- fluorodeoxyglucose"),
        item("Fluorodeoxyglucose"),
        item("18F-FDG"),
        item("F18FDG"),
        item("FDGF18"),
        item("2-fluoro-2-deoxy-D-glucose"),
        item("Fluordesoxyglukose"),
        item("", drug="C-B1031"),
        item("", drug="35321007", nuclide="77004003"),
        item("Solution", drug="Y-X1743", half_life_s=6588.0),
        item("FDG", nuclide="18F", meaning="^18^Fluorine"),
    ],
)
def test_fdg_is_known_by_code_or_name(found: Dataset) -> None:
    check_tracer(read_tracer(found), ("FDG",))


@pytest.mark.parametrize(
    "found",
    [
        item("", nuclide="", meaning="^177^Lutetium", half_life_s=574_300.0),
        item("", nuclide="Lu-177", meaning="Lu-177", half_life_s=574_300.0),
        item("", nuclide="C-999X9", half_life_s=21_600.0),
        item("FDG", nuclide="C-999X9", half_life_s=21_600.0),
        item("", nuclide="C-131A3", half_life_s=4062.6),
    ],
)
def test_a_radionuclide_that_rules_the_tracer_out_is_enough_without_a_name(found: Dataset) -> None:
    with pytest.raises(TracerError, match="none of those expected"):
        check_tracer(read_tracer(found), ("FDG",))


def test_a_series_without_a_name_is_let_in_by_its_mark_alone(
    make_slice: Any, save_series: Any
) -> None:
    folders = []
    for number in range(2):
        slices = [make_slice(k, "PT", SeriesNumber=number) for k in range(2)]
        for slice_ in slices:
            del slice_.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical
        folders.append(save_series(slices, f"series {number}"))
    with pytest.raises(MissingTagError, match="Radiopharmaceutical") as caught:
        read_dicom_series(folders[0], "suv")
    mark = caught.value.remedy.split("unnamed_series=[")[1][:16]
    settings = DicomConfig(unnamed_series=(mark,))
    notes = read_dicom_series(folders[0], "suv", settings=settings).provenance.warnings
    assert any("no tag names the tracer: it is FDG" in note for note in notes)
    with pytest.raises(MissingTagError):
        read_dicom_series(folders[1], "suv", settings=settings)


def test_a_mark_does_not_let_in_another_radionuclide(make_slice: Any, save_series: Any) -> None:
    slice_ = make_slice(0, "PT")
    dose = slice_.RadiopharmaceuticalInformationSequence[0]
    dose.RadionuclideCodeSequence[0].CodeValue = "C-131A3"
    dose.RadionuclideHalfLife = 4062.6
    del dose.Radiopharmaceutical
    folder = save_series([slice_])
    mark = series_mark(folder)
    assert mark == DigestMemo(None).digest(folder)[:16]
    with pytest.raises(TracerError, match="Ga-68"):
        read_dicom_series(folder, "suv", settings=DicomConfig(unnamed_series=(mark,)))


@pytest.mark.parametrize(
    "found",
    [
        item("FES"),
        item("FLT"),
        item("FDGal"),
        item("FDG", nuclide="C-131A3", half_life_s=4062.6),
        item("PSMA-11", nuclide="C-131A3", half_life_s=4057.0),
        item("", drug="C-B1043"),
    ],
)
def test_other_tracers_are_refused_and_not_named(found: Dataset) -> None:
    with pytest.raises(TracerError) as caught:
        check_tracer(read_tracer(found), ("FDG",))
    assert found.Radiopharmaceutical in ("", "FDG") or found.Radiopharmaceutical not in str(
        caught.value
    )


def test_fluorine_alone_is_not_fdg() -> None:
    with pytest.raises(MissingTagError, match="Radiopharmaceutical"):
        check_tracer(read_tracer(item("")), ("FDG",))


@pytest.mark.parametrize("allowed", ["FES", "fes", "F-18", "18F", "fluorine-18"])
def test_a_user_may_name_a_tracer_or_its_radionuclide(allowed: str) -> None:
    check_tracer(read_tracer(item("16a-18F-FES")), ("FDG", allowed))


@pytest.mark.parametrize("allowed", ["Ga-68 DOTATATE", "68Ga-DOTATATE", "dotatate"])
def test_a_user_may_name_both_the_radionuclide_and_the_drug(allowed: str) -> None:
    check_tracer(read_tracer(item("DOTATATE", "C-131A3", half_life_s=4062.6)), (allowed,))
    with pytest.raises(TracerError):
        check_tracer(read_tracer(item("PSMA", "C-131A3", half_life_s=4062.6)), (allowed,))


def test_a_half_life_of_another_nuclide_is_refused() -> None:
    with pytest.raises(UnitError, match="half-life"):
        read_tracer(item("FDG", half_life_s=109.8))


def test_a_half_life_tells_the_nuclide_where_no_code_does() -> None:
    assert read_tracer(item("", nuclide="", half_life_s=4080.0)).radionuclide == "Ga-68"
    assert read_tracer(item("", nuclide="", half_life_s=1.0)).radionuclide is None
