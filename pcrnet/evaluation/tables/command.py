"""What ``pcrnet evaluate`` is told about somebody's table of predictions."""

from __future__ import annotations

import argparse

from pcrnet.errors import PredictionsError
from pcrnet.evaluation.tables.column_map import SCALES, ColumnMap

TABLE_HELP = """columns of a table of predictions, one row a patient:
  patient_id            unique
  prob_<head>           probability of complete response, for yT0, yN0 or yT0yN0; one at least
  yT0, yN0, yT0yN0      outcome: 1 complete response, 0 residual tumour, empty or NA unknown
  threshold_<head>      optional: threshold locked on other patients
  fold                  optional: fold from 0; without it the table is one external test set
  site, scans           optional: centre; scans present as timepoint.channel;timepoint.channel
  uncalibrated_prob_<head>   optional: probability before calibration
  any other             optional: covariates for table 1 and subgroups

Commas, semicolons, tabs, decimal commas, comments (#), UTF-8, UTF-16, Latin-1 and XLSX are read.
Case, dots, spaces and underscores of column names do not matter; other names are given:
  pcrnet evaluate --predictions theirs.csv --out DIR \\
    --id ID --prob score --label pCR --positive yes --threshold 0.5
  pcrnet evaluate --predictions p.xlsx --out DIR --prob yT0=p_breast --prob yN0=p_nodes
"""


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name columns, labels and units."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = TABLE_HELP
    for option, value, what in (
        ("--prob", "COLUMN", "column of the probabilities of complete response"),
        ("--label", "COLUMN", "column of the outcome"),
        ("--threshold", "NUMBER", "threshold locked on other patients: a number, or a column"),
    ):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar=f"[HEAD=]{value}",
            help=f"{what}; of yT0yN0 where no HEAD is named, once for each head",
        )
    parser.add_argument("--id", metavar="COLUMN", help="column of the pseudonyms")
    parser.add_argument(
        "--positive", metavar="LABEL", help="the label that means complete response, such as yes"
    )
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="probability",
        help="of probabilities and thresholds (default: probability)",
    )


def columns_of(options: argparse.Namespace) -> ColumnMap:
    """What the options say of the columns.

    Raises:
        PredictionsError: A head is given twice, or there is no table whose columns they could name.
    """
    columns = ColumnMap.of_words(
        identifier=options.id,
        prob=options.prob,
        label=options.label,
        threshold=options.threshold,
        positive=options.positive,
        scale=options.scale,
    )
    if not options.predictions and columns != ColumnMap():
        raise PredictionsError(
            "only a table of predictions has columns to name",
            field="--id, --prob, --label, --threshold, --positive, --scale",
            remedy="give them with --predictions P.csv, or leave them out",
        )
    return columns
