"""``pcrnet predict``: the patients of a cohort table or of DICOM studies, with a bundle."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.commands.bundles.bundle_use import add_bundle_checks, opened, say_of, took_part
from pcrnet.commands.registry import Commands
from pcrnet.disk_room import require_writable
from pcrnet.errors import ConfigError
from pcrnet.run.progress_bar import ProgressBar
from pcrnet.storage import is_stream

if TYPE_CHECKING:
    from pcrnet.cohort.table import Patient
    from pcrnet.deploy.prediction.predictor import PredictionTable, Predictor

_LISTING_SUFFIX = ".series.csv"
_STANDARD_OUTPUT = Path("/dev/stdout")


def register(commands: Commands) -> None:
    """Add the command and its options."""
    predict = commands.add(
        "predict", _predict, "predict the patients of a cohort table or of DICOM studies"
    )
    predict.add_argument("bundle", type=Path, metavar="BUNDLE")
    predict.add_argument(
        "cohort",
        type=Path,
        metavar="COHORT.csv or STUDY_FOLDER",
        help="a table, or a folder of DICOM studies, whose series are matched to timepoints and "
        "channels as pcrnet import dicom does; PREDICTIONS.csv.series.csv says what was taken for "
        "what",
    )
    predict.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="PREDICTIONS.csv",
        help="the table; a name in .json is written as JSON. PREDICTIONS.csv.record.json beside it "
        "says by which bundle and from which cohort table",
    )
    predict.add_argument(
        "--json", action="store_true", help="write JSON, to standard output unless -o names a file"
    )
    predict.add_argument(
        "--sr",
        type=Path,
        metavar="DIR",
        help="write a DICOM structured report of each patient as well",
    )
    predict.add_argument(
        "--timepoints",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="NAME,NAME",
        help="what the studies of a patient are, in order of their dates (for a STUDY_FOLDER; "
        "default: the timepoints of the bundle)",
    )
    predict.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    predict.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that read scans (default: as many as are worth it)",
    )
    predict.add_argument(
        "--refuse-unlike",
        action="store_true",
        help="refuse patients unlike those of training (default: warn, in the table as well)",
    )
    predict.add_argument(
        "--log",
        type=Path,
        metavar="LOG.jsonl",
        help="append what pcrnet monitor watches: probabilities and scores, no scans, no paths",
    )
    add_bundle_checks(predict)


def _predict(options: argparse.Namespace) -> None:
    from pcrnet.deploy.prediction.prediction_files import check_destination, room_for, write_record

    out, as_json = _destination(options)
    check_destination(out, as_json=as_json)
    _check_reports(options.sr)
    _check_log(options.log)
    predictor = opened(options, options.device, refuse_unlike=options.refuse_unlike)
    if options.log is not None:
        from pcrnet.monitoring.record import log_predictions, require_loggable

        require_loggable(predictor.bundle)
    digest = predictor.bundle.sha256
    with tempfile.TemporaryDirectory(prefix="pcrnet-") as folder:
        table, origin = _table(options, predictor, Path(folder), out)
        patients = predictor.read_patients(table)
        with room_for(out, len(patients)), ProgressBar("predicting", "patients") as bar:
            found = predictor.predict_patients(
                patients, progress=bar.update, workers=options.workers
            )
        say_of(found, predictor)
        if options.log is not None:
            log_predictions(options.log, found, predictor.bundle)
        found.write(out, as_json=as_json)
        write_record(out, bundle_sha256=digest, cohort=origin, device=options.device)
    if options.sr is not None:
        _write_reports(options.sr, predictor, patients, found)
    if found.trained_on:
        sys.stderr.write(
            f"warning: {took_part(found.trained_on)}; how well it predicts cannot be seen from "
            "them\n"
        )
    if found.refused:
        sys.stderr.write(
            f"warning: {len(found.refused)} of {len(patients)} patients have no prediction; "
            "the lines that begin with refused say why\n"
        )
    sys.stderr.write(f"bundle sha256: {digest}\n")
    if not is_stream(out):
        sys.stdout.write(f"{out}\n")


def _destination(options: argparse.Namespace) -> tuple[Path, bool | None]:
    """Where the table goes, and whether as JSON; None where its name tells."""
    if options.out is not None:
        return options.out, True if options.json else None
    if options.json:
        return _STANDARD_OUTPUT, True
    raise ConfigError(
        "no place for the predictions", field="-o", remedy="add -o PREDICTIONS.csv, or --json"
    )


def _table(
    options: argparse.Namespace, predictor: Predictor, folder: Path, out: Path
) -> tuple[Path, Path]:
    """The cohort table, and what the record of the predictions names as their origin."""
    if not options.cohort.is_dir():
        if options.timepoints:
            raise ConfigError("only a folder of studies has any to name", field="--timepoints")
        return options.cohort, options.cohort

    from pcrnet.deploy.dicom.study import match_studies

    manifest = predictor.bundle.manifest
    listing = folder / "series.csv"
    if not is_stream(out):
        listing = out.with_name(f"{out.name}{_LISTING_SUFFIX}")
    with ProgressBar("looking for series") as bar:
        matched = match_studies(
            options.cohort,
            folder,
            manifest.data,
            manifest.covariates,
            listing=listing,
            timepoints=options.timepoints,
            progress=bar.update,
        )
    for line in matched.lines():
        sys.stderr.write(f"{line}\n")
    if manifest.covariates:
        sys.stderr.write(f"unknown: {', '.join(manifest.covariates)}; a table can give them\n")
    return matched.table, listing


def _check_log(path: Path | None) -> None:
    """Refuse what is no log before hours of work."""
    if path is None:
        return
    from pcrnet.monitoring.log import bundles_with_baseline

    require_writable(path)
    bundles_with_baseline(path)


def _check_reports(folder: Path | None) -> None:
    if folder is None:
        return
    from pcrnet.deploy.dicom.structured_report import require_highdicom

    require_highdicom()
    require_writable(folder / "report.dcm")


def _write_reports(
    folder: Path, predictor: Predictor, patients: Sequence[Patient], found: PredictionTable
) -> None:
    from pcrnet.deploy.dicom.structured_report import write_reports

    with ProgressBar("writing reports", "patients") as bar:
        write_reports(folder, predictor.bundle, patients, found, progress=bar.update)
    sys.stderr.write(f"reports: {folder}\n")
