from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.deploy.dicom.one_person import require_one_person
from pcrnet.errors import CohortError, ImageError


def patient(**scans: Path) -> Patient:
    visits = {name: Visit(name, {"adc": path}) for name, path in scans.items()}
    return Patient("P1", 2, None, visits, Outcome(), {})


def test_visits_of_one_person_are_in_order(save_adc, tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(bytes(400))  # says nothing of anybody
    series = [save_adc(tmp_path / name) for name in "ab"]
    require_one_person(patient(baseline=series[0], interim=series[1], late=tmp_path / "a.nii"))


def test_visits_of_two_persons_are_refused_without_their_names(save_adc, tmp_path: Path) -> None:
    first = save_adc(tmp_path / "a", person="Meier")
    second = save_adc(tmp_path / "b", person="Schulz")
    with pytest.raises(CohortError, match="several persons") as caught:
        require_one_person(patient(baseline=first, interim=second))
    assert caught.value.patient == "P1"
    assert not {"Meier", "Schulz"} & set(str(caught.value).split())


def test_a_series_that_cannot_be_read_is_said_to_be_so(save_adc, tmp_path: Path) -> None:
    folder = save_adc(tmp_path / "a")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(ImageError):
        require_one_person(patient(baseline=folder))
