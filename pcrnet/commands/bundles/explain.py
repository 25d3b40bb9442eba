"""``pcrnet explain``: why a bundle predicts what it predicts, a page a patient."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.commands.bundles.bundle_use import add_bundle_checks, opened
from pcrnet.commands.registry import Commands
from pcrnet.disk_room import require_writable
from pcrnet.errors import CohortError, PcrnetError, ProblemListError
from pcrnet.run.progress_bar import ProgressBar

if TYPE_CHECKING:
    from pcrnet.cohort.table import Patient
    from pcrnet.deploy.bundle import Bundle
    from pcrnet.explain.patient import Explanation

_HEADS = ("yT0", "yN0", "yT0yN0")
_PARTS = 100


def register(commands: Commands) -> None:
    """Add the command and its options."""
    explain = commands.add(
        "explain", _explain, "say of each patient what a prediction rests on, and where it lies"
    )
    explain.add_argument("bundle", type=Path, metavar="BUNDLE")
    explain.add_argument("cohort", type=Path, metavar="COHORT.csv")
    explain.add_argument("out", type=Path, metavar="OUT")
    explain.add_argument("--patients", nargs="+", metavar="ID", help="these alone (default: all)")
    explain.add_argument("--head", choices=_HEADS, default=_HEADS[-1], help="what the maps explain")
    explain.add_argument(
        "--block-mm",
        type=float,
        default=20.0,
        help="edge of the blocks that are hidden; those that matter are divided (default: 20)",
    )
    explain.add_argument(
        "--dicom",
        action="store_true",
        help="write the maps of scans that are DICOM as Parametric Maps as well",
    )
    add_bundle_checks(explain)


def _explain(options: argparse.Namespace) -> None:
    if not 5.0 <= options.block_mm <= 100.0:
        raise PcrnetError(
            f"a block of {options.block_mm:g} mm",
            field="--block-mm",
            remedy="choose an edge between 5 and 100 mm",
        )
    require_writable(options.out / "index.html")
    if options.dicom:
        from pcrnet.explain.parametric_map import require_highdicom

        require_highdicom()

    from pcrnet.explain.page import write_explanation
    from pcrnet.explain.patient import explain_patient

    predictor = opened(options)
    patients = _chosen(
        predictor.read_patients(options.cohort), options.patients, options.cohort.name
    )
    refused = 0
    with ProgressBar("explaining") as bar:
        for done, patient in enumerate(patients):
            try:
                found = explain_patient(
                    predictor.bundle,
                    patient,
                    head=options.head,
                    block_mm=options.block_mm,
                    progress=_part_of(bar, done, len(patients)),
                )
            except PcrnetError as error:
                refused += 1
                sys.stderr.write(f"refused: {error.located(patient=patient.patient_id)}\n")
            else:
                folder = options.out / re.sub(r"[^\w.-]", "_", patient.patient_id)
                page = write_explanation(found, predictor.bundle, folder)
                sys.stdout.write(f"{page}\n")
                if options.dicom:
                    _write_dicom(found, predictor.bundle, folder)
            bar.update(_PARTS * (done + 1), _PARTS * len(patients))
    if predictor.bundle.manifest.simulated:
        sys.stderr.write("this bundle was trained on a simulated trial: not for patients\n")
    if refused == len(patients):
        raise PcrnetError("no patient could be explained", file=options.cohort.name)


def _write_dicom(found: Explanation, bundle: Bundle, folder: Path) -> None:
    """The maps as Parametric Maps; what cannot be one is said, and the page is there."""
    from pcrnet.explain.page import MAPS_FOLDER
    from pcrnet.explain.parametric_map import write_parametric_maps

    try:
        written = write_parametric_maps(found, bundle, folder / MAPS_FOLDER)
    except ProblemListError as error:
        sys.stderr.write(f"{error}\n")
        return
    if not written:
        name = found.patient.patient_id
        sys.stderr.write(f"{name}: no scan is DICOM, so there are no Parametric Maps\n")


def _part_of(bar: ProgressBar, done: int, patients: int) -> Callable[[int, int], None]:
    """Tells the bar of the scans of one patient, who takes minutes where networks are kept."""

    def tell(scans: int, of: int) -> None:
        bar.update(_PARTS * done + _PARTS * scans // (of + 1), _PARTS * patients)

    return tell


def _chosen(
    patients: Sequence[Patient], names: Sequence[str] | None, table: str
) -> Sequence[Patient]:
    if names is None:
        return patients
    known = {patient.patient_id: patient for patient in patients}
    missing = [name for name in names if name not in known]
    if missing:
        raise CohortError(
            f"{len(missing)} of the patients asked for are not in the table",
            file=table,
            field="--patients",
            remedy=f"the table has {len(known)} patients; the first is {next(iter(known), 'none')}",
        )
    return [known[name] for name in dict.fromkeys(names)]
