"""``pcrnet evaluate``: judge predictions of a run, a table or a bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.commands.bundles.bundle_use import add_bundle_checks, opened, predicted, took_part
from pcrnet.commands.registry import Commands
from pcrnet.config.layers import load_experiment
from pcrnet.disk_room import require_writable
from pcrnet.errors import PcrnetError
from pcrnet.evaluation.tables.command import add_table_options, columns_of
from pcrnet.run_layout import PREDICTIONS_FILE, ReportLayout, RunLayout

if TYPE_CHECKING:
    from pcrnet.deploy.bundle import Bundle
    from pcrnet.evaluation.sources import FlowStep


def register(commands: Commands) -> None:
    """Add the command and its options."""
    evaluate = commands.add(
        "evaluate", _evaluate, "judge predictions: a run, a table, or a bundle", overrides=True
    )
    # One list, since argparse cannot tell a run from a setting where the run is left out.
    evaluate.add_argument("words", nargs="*", metavar="RUN, CONFIG.yaml or section.key=value")
    evaluate.add_argument(
        "--predictions",
        type=Path,
        action="append",
        metavar="P.csv",
        help="a table, CSV or XLSX; give the option again for each repeat of cross-validation",
    )
    add_table_options(evaluate)
    evaluate.add_argument("--bundle", type=Path, metavar="BUNDLE")
    evaluate.add_argument("--cohort", type=Path, metavar="COHORT.csv")
    add_bundle_checks(evaluate)
    evaluate.add_argument("--out", type=Path, metavar="DIR")


def _evaluate(options: argparse.Namespace) -> None:
    from pcrnet.commands.judging.validated_bundle import identity_of, write_patients_beside
    from pcrnet.evaluation.analysis import evaluate_run, evaluate_table
    from pcrnet.evaluation.given_files import require_given_files

    columns = columns_of(options)
    runs = [Path(word) for word in options.words if not _is_setting(word)]
    overrides = [word for word in options.words if _is_setting(word)] + options.overrides
    external = options.bundle is not None and options.cohort is not None
    if len(runs) + bool(options.predictions) + external != 1:
        raise PcrnetError(
            "name one thing to evaluate",
            remedy="give a run folder, or --predictions P.csv, or --bundle B --cohort COHORT.csv",
        )
    _refuse_idle(options, of_run=bool(runs), of_bundle=external)
    if runs:
        settings = [str(RunLayout(runs[0]).config), *overrides]
        report = evaluate_run(runs[0], load_experiment(settings).evaluation, progress=_say)
    elif options.out is None:
        raise PcrnetError("no folder for the report", field="--out", remedy="add --out DIR")
    else:
        config = load_experiment(overrides).evaluation
        require_given_files(config)
        require_writable(ReportLayout(options.out).page)
        tables = options.predictions or [options.out / PREDICTIONS_FILE]
        bundle = patients = None
        flow: tuple[FlowStep, ...] = ()
        if external:
            bundle, flow = _predict_others(options, tables[0])
            patients = write_patients_beside(options.cohort, bundle, tables[0])
        report = evaluate_table(
            tables[0],
            options.out,
            config,
            repeats=tables[1:],
            columns=columns,
            patients=patients,
            bundle=None if bundle is None else identity_of(bundle),
            flow=flow,
            progress=_say,
        )
    sys.stdout.write(f"report: {report}\n")


def _refuse_idle(options: argparse.Namespace, *, of_run: bool, of_bundle: bool) -> None:
    """Refuse what would be left aside in silence: somebody believes that it was heeded."""
    given = {
        "--bundle": options.bundle,
        "--cohort": options.cohort,
        "--bundle-sha256": options.sha256,
        "--key": options.key,
    }
    idle = [] if of_bundle else [name for name, value in given.items() if value is not None]
    idle += ["--out"] * (of_run and options.out is not None)
    if idle:
        what = "a run, whose report lies in its own folder" if of_run else "a table"
        raise PcrnetError(
            f"plays no part where {what} is evaluated",
            field=", ".join(idle),
            remedy="leave it out; --bundle B --cohort COHORT.csv --out DIR judge a bundle",
        )


def _predict_others(options: argparse.Namespace, out: Path) -> tuple[Bundle, tuple[FlowStep, ...]]:
    """Predict patients who took no part in training, for an external validation."""
    from pcrnet.commands.judging.validated_bundle import flow_of, require_outcomes
    from pcrnet.deploy.prediction.prediction_files import check_destination, write_record

    cohort: Path = options.cohort
    check_destination(out)
    predictor = opened(options)
    patients = predictor.read_patients(cohort)
    require_outcomes(patients, cohort)
    table = predicted(predictor, patients)
    if table.trained_on:
        raise PcrnetError(
            took_part(table.trained_on),
            file=cohort.name,
            remedy="leave them out; how well they were predicted is in the report of their own run",
        )
    table.write(out)
    write_record(out, bundle_sha256=predictor.bundle.sha256, cohort=cohort, device="cpu")
    return predictor.bundle, flow_of(table)


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")


def _is_setting(word: str) -> bool:
    return not Path(word).is_dir() and ("=" in word or word.endswith((".yaml", ".yml")))
