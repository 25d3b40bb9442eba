"""What an external validation says of its bundle, and which covariates it leaves beside."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.commands.judging.validated_bundle import (
    flow_of,
    identity_of,
    require_outcomes,
    write_patients_beside,
)
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.manifest import bundle_digest
from pcrnet.errors import CohortError


@pytest.fixture(scope="module")
def bundle(small_bundle: Path) -> Bundle:
    return Bundle.read(small_bundle)


def test_a_bundle_is_known_by_name_digest_outcome_and_inputs(
    bundle: Bundle, small_bundle: Path
) -> None:
    found = identity_of(bundle)
    assert found.sha256 == bundle_digest(small_bundle)
    assert found.definition == bundle.manifest.outcome.definition
    for name in (*bundle.manifest.data.timepoints, *bundle.manifest.covariates):
        assert name in found.inputs
    for branch, channels in bundle.manifest.data.branches.items():
        assert f"{branch.upper()} ({', '.join(channels)})" in found.inputs


def test_one_known_outcome_is_enough_and_none_is_not(tmp_path: Path) -> None:
    unknown = SimpleNamespace(outcome=Outcome())
    known = SimpleNamespace(outcome=Outcome(yT0=1))
    require_outcomes([unknown, known], tmp_path / "cohort.csv")
    with pytest.raises(CohortError, match="no outcome") as caught:
        require_outcomes([unknown, unknown], tmp_path / "cohort.csv")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(("judged", "refused"), [(7, 2), (0, 3)])
def test_who_was_refused_is_counted(judged: int, refused: int) -> None:
    predictions = None if judged == 0 else range(judged)
    table = SimpleNamespace(predictions=predictions, refused=["reason"] * refused)
    assert [step.n for step in flow_of(table)] == [judged + refused, judged]


def test_the_covariates_of_the_bundle_are_left_beside_and_no_others(
    bundle: Bundle, tmp_path: Path
) -> None:
    first = bundle.manifest.covariates[0]
    cohort = tmp_path / "cohort.csv"
    cohort.write_text(
        f"patient_id,note,site,{first}\nP1,canary,A,61\nP2,canary,B,NA\n", encoding="utf-8"
    )
    path = write_patients_beside(cohort, bundle, tmp_path / "out" / "predictions.csv")
    assert path == tmp_path / "out" / "patients.csv"
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {"patient_id": "P1", "site": "A", first: "61"},
        {"patient_id": "P2", "site": "B", first: ""},
    ]


def test_a_table_without_them_and_one_that_is_read_once_leave_nothing(
    bundle: Bundle, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.csv"
    plain.write_text("patient_id,note\nP1,canary\n")
    out = tmp_path / "out" / "predictions.csv"
    assert write_patients_beside(plain, bundle, out) is None
    assert write_patients_beside(Path("/dev/null"), bundle, out) is None
    assert not out.parent.exists()
