"""What an external validation says of its bundle, and the covariates of who is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.cohort.outcome import Outcome
from pcrnet.csv_text import csv_text
from pcrnet.errors import CohortError, PcrnetError
from pcrnet.evaluation.population.case_mix import BundleIdentity, read_case_mix
from pcrnet.evaluation.sources import FlowStep
from pcrnet.run_layout import RunLayout
from pcrnet.storage import write_text
from pcrnet.table_file import is_unknown, read_text_table

if TYPE_CHECKING:
    from pcrnet.cohort.table import Patient
    from pcrnet.deploy.bundle import Bundle
    from pcrnet.deploy.prediction.predictor import PredictionTable

_SITE = "site"


def identity_of(bundle: Bundle) -> BundleIdentity:
    """Name, digest, outcome and inputs of a bundle, and who it learned from.

    Raises:
        BundleError: What it says of its patients cannot be read.
    """
    manifest = bundle.manifest
    branches = "; ".join(
        f"{branch.upper()} ({', '.join(channels)})"
        for branch, channels in manifest.data.branches.items()
    )
    covariates = f", and {', '.join(manifest.covariates)}" if manifest.covariates else ""
    return BundleIdentity(
        name=manifest.name,
        sha256=bundle.sha256,
        version=manifest.pcrnet_version,
        definition=manifest.outcome.definition,
        inputs=f"{branches} at {', '.join(manifest.data.timepoints)}{covariates}",
        simulated=manifest.simulated,
        training=read_case_mix(manifest.case_mix),
    )


def require_outcomes(patients: Sequence[Patient], cohort: Path) -> None:
    """Find out before anything is predicted whether there is anything to hold predictions against.

    Raises:
        CohortError: Nobody's outcome is known.
    """
    if all(patient.outcome == Outcome() for patient in patients):
        raise CohortError(
            "no outcome of its patients is known, so predictions cannot be judged",
            file=cohort.name,
            remedy="add what pathology found, in the columns ypT and ypN; predict needs none",
        )


def flow_of(table: PredictionTable) -> tuple[FlowStep, ...]:
    """How many of the cohort are judged: who was refused is in no figure of the report."""
    judged = 0 if table.predictions is None else len(table.predictions)
    return (
        FlowStep("rows in the cohort table", judged + len(table.refused), ""),
        FlowStep("patients predicted", judged, "refused by the bundle"),
    )


def write_patients_beside(cohort: Path, bundle: Bundle, out: Path) -> Path | None:
    """The cohort's covariates of this bundle, as ``patients.csv`` in the folder of ``out``.

    Returns:
        The table, or None where the cohort has none of them or cannot be read twice, as a pipe.
    """
    if not cohort.is_file():
        return None
    table = read_text_table(cohort, error=PcrnetError)
    wanted = [
        name for name in ("patient_id", _SITE, *bundle.manifest.covariates) if name in table.header
    ]
    if len(wanted) < 2 or "patient_id" not in wanted:
        return None
    columns = table.columns()
    cells = [["" if is_unknown(cell) else cell for cell in columns[name]] for name in wanted]
    path = RunLayout(out.parent).patients
    write_text(path, csv_text([wanted, *zip(*cells, strict=True)]))
    return path
