"""The command line: one subcommand a task, each a thin call of one function.

Whatever a user can cause ends with a message and exit code 2; only faults of pcrnet itself show a
traceback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pcrnet import __version__
from pcrnet.config.data import SimulationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.errors import PcrnetError
from pcrnet.evaluation.tables.command import add_table_options, columns_of
from pcrnet.guard import guarded, settings_help
from pcrnet.importers.command import add_importers, run_importer
from pcrnet.run.progress_bar import ProgressBar
from pcrnet.run_layout import PREDICTIONS_FILE, ReportLayout, RunLayout
from pcrnet.storage import is_stream, require_writable

if TYPE_CHECKING:
    from pcrnet.deploy.predictor import PredictionTable


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run it; returns the exit code."""
    parser = _parser()
    # Overrides may begin with dashes, which argparse would take for options of its own.
    options, overrides = parser.parse_known_args(arguments)
    if overrides and not options.takes_overrides:
        parser.error(f"unrecognised arguments: {' '.join(overrides)}")
    options.overrides = [*getattr(options, "settings", []), *overrides]
    return guarded(lambda: options.run(options))


class _Command(argparse.ArgumentParser):
    """A subcommand whose help may go on with every key that can be set."""

    lists_settings = False

    def format_help(self) -> str:
        if not self.lists_settings:
            return super().format_help()
        self.epilog = None
        return f"{super().format_help()}\n{settings_help()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pcrnet",
        description="From PET/MRI at several timepoints to calibrated probabilities of response.",
    )
    parser.add_argument("--version", action="version", version=f"pcrnet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Command)

    def add(
        name: str, run: Callable[[argparse.Namespace], None], text: str, *, overrides: bool = False
    ) -> _Command:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(run=run, takes_overrides=overrides)
        if overrides:
            command.epilog = "pcrnet train --help lists every key that can be set"
        return command

    train = add("train", _train, "train, judge and ship a model", overrides=True)
    train.lists_settings = True
    train.add_argument("settings", nargs="*", metavar="CONFIG.yaml or section.key=value")

    check = add("check", _check, "say what a cohort table holds and what is wrong", overrides=True)
    check.add_argument("cohort", type=Path, metavar="COHORT.csv")
    check.add_argument("settings", nargs="*", metavar="CONFIG.yaml or section.key=value")
    check.add_argument(
        "--pictures", type=Path, metavar="DIR", help="draw every patient, with measurements"
    )

    convert = add("convert", _convert, "one DICOM series to NIfTI in true units", overrides=True)
    convert.add_argument("series", type=Path, metavar="SERIES", help="folder or zip")
    convert.add_argument("out", type=Path, metavar="OUT.nii.gz")
    convert.add_argument("--as", dest="channel", required=True, metavar="CHANNEL")
    convert.add_argument("settings", nargs="*", metavar="CONFIG.yaml or section.key=value")

    kinetics = add(
        "kinetics", _kinetics, "maps of a dynamic contrast series: PE, SER, Ktrans", overrides=True
    )
    kinetics.add_argument("series", type=Path, metavar="SERIES", help="folder or zip")
    kinetics.add_argument("out", type=Path, metavar="DIR")
    kinetics.add_argument("settings", nargs="*", metavar="CONFIG.yaml or section.key=value")
    kinetics.add_argument("--mask", type=Path, metavar="MASK.nii.gz")
    kinetics.add_argument("--t1-ms", type=float, help="T1 of the tissue: fits the Tofts model")
    kinetics.add_argument("--relaxivity", type=float, help="of the agent in l/(mmol s), for Tofts")
    kinetics.add_argument("--arrival-s", type=float, default=0.0, help="injection to artery")

    add_importers(add("import", _import, "a public data set or a DICOM tree as a cohort table"))

    _add_simulation(add("simulate", _simulate, "write an in-silico trial as a real cohort folder"))

    predict = add("predict", _predict, "predict the patients of a cohort table with a bundle")
    predict.add_argument("bundle", type=Path, metavar="BUNDLE")
    predict.add_argument("cohort", type=Path, metavar="COHORT.csv")
    predict.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="PREDICTIONS.csv",
        help="the table; a name in .json is written as JSON. PREDICTIONS.csv.record.json beside it "
        "says by which bundle and from which cohort table",
    )
    predict.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    _add_digest(predict)

    evaluate = add(
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
    _add_digest(evaluate)
    evaluate.add_argument("--out", type=Path, metavar="DIR")
    return parser


def _add_simulation(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument("out", type=Path, metavar="OUT")
    defaults = SimulationConfig()
    simulate.add_argument(
        "--world",
        choices=get_args(SimulationConfig.model_fields["world"].annotation),
        default=defaults.world,
        help="what tells response: the amount of residue or its pattern (default: amount)",
    )
    simulate.add_argument("--patients", type=int, default=defaults.patients)
    simulate.add_argument("--seed", type=int, default=defaults.seed)
    simulate.add_argument("--sites", type=int, default=defaults.sites)
    simulate.add_argument("--mri-spacing-mm", type=float, default=defaults.mri_spacing_mm)


def _add_digest(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundle-sha256",
        dest="sha256",
        metavar="HEX",
        help="refuse any bundle but the one with this digest, which pcrnet predict prints",
    )


def _train(options: argparse.Namespace) -> None:
    experiment = load_experiment(options.overrides)

    from pcrnet.run.console import RunConsole
    from pcrnet.run.pipeline import train
    from pcrnet.training.tracking import tracking

    with RunConsole() as console, tracking(experiment) as tracker:
        result = train(experiment, console, tracker)
        tracker.summarise(result.metrics)
        console.finish(result)


def _check(options: argparse.Namespace) -> None:
    from rich.console import Console

    from pcrnet.review.check_tables import render_report
    from pcrnet.review.checks import check_cohort

    experiment = load_experiment(options.overrides)
    if options.pictures is not None:
        require_writable(options.pictures / "index.html")
    with ProgressBar("reading") as bar:
        report = check_cohort(options.cohort, experiment, progress=bar.update)
    Console().print(render_report(report))
    if options.pictures is not None:
        _draw_cohort(options.cohort, experiment, options.pictures)
    if report.problems:
        raise PcrnetError(
            f"{len(report.problems)} problems, listed above",
            file=options.cohort.name,
            remedy=f"these settings fit the table: {report.proposed_settings}"
            if report.proposed_settings
            else "mend what is named above; a run refuses it as well",
        )


def _draw_cohort(table: Path, experiment: Experiment, out: Path) -> None:
    from pcrnet.cohort.table import scan_cohort
    from pcrnet.review.quality_sheet import quality_sheet
    from pcrnet.simulation.trial import is_simulated

    data = experiment.data
    cohort, _ = scan_cohort(
        table,
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
    )
    with ProgressBar("drawing") as bar:
        index = quality_sheet(
            cohort,
            data,
            experiment.imaging,
            out,
            bar.update,
            simulated=is_simulated(table),
        )
    sys.stdout.write(f"{index}\n")


def _convert(options: argparse.Namespace) -> None:
    from pcrnet.imaging.convert import convert_series

    imaging = load_experiment(options.overrides).imaging
    require_writable(options.out)
    sidecar = convert_series(options.series, options.out, options.channel, imaging)
    for warning in sidecar.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    sys.stdout.write(f"{options.out}\n")


def _import(options: argparse.Namespace) -> None:
    with ProgressBar("importing") as bar:
        lines = run_importer(options, bar.update)
    sys.stdout.write("\n".join(lines) + "\n")


def _kinetics(options: argparse.Namespace) -> None:
    from pcrnet.imaging.kinetic_maps import TissueModel, write_kinetic_maps

    model = None
    if options.t1_ms is not None or options.relaxivity is not None:
        for name in ("t1_ms", "relaxivity"):
            if not (getattr(options, name) or 0.0) > 0.0:
                raise PcrnetError(
                    "the Tofts model needs the T1 of the tissue and the relaxivity of the agent",
                    field=f"--{name.replace('_', '-')}",
                    remedy="give both as positive numbers, or leave both out",
                )
        model = TissueModel(options.t1_ms / 1000.0, options.relaxivity, options.arrival_s)
    settings = load_experiment(options.overrides).imaging.dicom
    require_writable(options.out / "pe.nii.gz")
    for path in write_kinetic_maps(
        options.series, options.out, settings, mask=options.mask, model=model
    ):
        sys.stdout.write(f"{path}\n")


def _simulate(options: argparse.Namespace) -> None:
    from pydantic import ValidationError

    from pcrnet.simulation.trial import simulate_trial

    try:
        config = SimulationConfig(
            world=options.world,
            patients=options.patients,
            seed=options.seed,
            sites=options.sites,
            mri_spacing_mm=options.mri_spacing_mm,
        )
    except ValidationError as error:
        detail = error.errors()[0]
        raise PcrnetError(detail["msg"], field=f"--{detail['loc'][0]}") from error
    with ProgressBar("simulating") as bar:
        path = simulate_trial(options.out, config, progress=bar.update)
    sys.stdout.write(f"{path}\n")


def _predict(options: argparse.Namespace) -> None:
    from pcrnet.deploy.prediction_files import check_destination, write_record

    check_destination(options.out)
    table, digest = _predicted(options.bundle, options.cohort, options.device, options.sha256)
    table.write(options.out)
    write_record(options.out, bundle_sha256=digest, cohort=options.cohort, device=options.device)
    if table.trained_on:
        sys.stderr.write(
            f"warning: {_took_part(table.trained_on)}; how well it predicts cannot be seen from "
            "them\n"
        )
    sys.stderr.write(f"bundle sha256: {digest}\n")
    if not is_stream(options.out):
        sys.stdout.write(f"{options.out}\n")


def _took_part(patients: Sequence[str]) -> str:
    more = " ..." if len(patients) > 5 else ""
    return (
        f"{len(patients)} of the patients took part in training this bundle: "
        f"{', '.join(patients[:5])}{more}"
    )


def _predicted(
    bundle: Path, cohort: Path, device: str, sha256: str | None
) -> tuple[PredictionTable, str]:
    """The predictions of a cohort, and the digest of the bundle that made them."""
    from pcrnet.deploy.predictor import load_predictor

    predictor = load_predictor(bundle, device, sha256=sha256)
    with ProgressBar("predicting") as bar:
        table = predictor.predict_table(cohort, progress=bar.update)
    for reason in table.refused:
        sys.stderr.write(f"refused: {reason}\n")
    if predictor.bundle.manifest.simulated:
        sys.stderr.write("this bundle was trained on a simulated trial: not for patients\n")
    return table, predictor.bundle.sha256


def _evaluate(options: argparse.Namespace) -> None:
    from pcrnet.evaluation.analysis import evaluate_run, evaluate_table

    columns = columns_of(options)
    runs = [Path(word) for word in options.words if not _is_setting(word)]
    overrides = [word for word in options.words if _is_setting(word)] + options.overrides
    external = options.bundle is not None and options.cohort is not None
    if len(runs) + bool(options.predictions) + external != 1:
        raise PcrnetError(
            "name one thing to evaluate",
            remedy="give a run folder, or --predictions P.csv, or --bundle B --cohort COHORT.csv",
        )
    if runs:
        settings = [str(RunLayout(runs[0]).config), *overrides]
        report = evaluate_run(runs[0], load_experiment(settings).evaluation, progress=_say)
    elif options.out is None:
        raise PcrnetError("no folder for the report", field="--out", remedy="add --out DIR")
    else:
        config = load_experiment(overrides).evaluation
        require_writable(ReportLayout(options.out).page)
        tables = options.predictions or [options.out / PREDICTIONS_FILE]
        if external:
            _predict_others(options.bundle, options.cohort, options.sha256, tables[0])
        report = evaluate_table(
            tables[0],
            options.out,
            config,
            repeats=tables[1:],
            columns=columns,
            progress=_say,
        )
    sys.stdout.write(f"report: {report}\n")


def _predict_others(bundle: Path, cohort: Path, sha256: str | None, out: Path) -> None:
    """Predict patients who took no part in training, for an external validation."""
    from pcrnet.deploy.prediction_files import check_destination, write_record

    check_destination(out)
    table, digest = _predicted(bundle, cohort, "cpu", sha256)
    if table.trained_on:
        raise PcrnetError(
            _took_part(table.trained_on),
            file=cohort.name,
            remedy="leave them out; how well they were predicted is in the report of their own run",
        )
    table.write(out)
    write_record(out, bundle_sha256=digest, cohort=cohort, device="cpu")


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")


def _is_setting(word: str) -> bool:
    return not Path(word).is_dir() and ("=" in word or word.endswith((".yaml", ".yml")))


if __name__ == "__main__":
    sys.exit(main())
