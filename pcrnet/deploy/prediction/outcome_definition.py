"""Whether the outcomes of a cohort mean what they mean to a bundle."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pcrnet.cohort.csv_file import read_rows
from pcrnet.cohort.outcome import OutcomeDefinition
from pcrnet.config.plain_yaml import read_yaml
from pcrnet.errors import BundleError, PcrnetError

_JUDGED = ("yT0", "yT0yN0")
"""Columns in which somebody has already decided what complete response of the breast is."""


def require_same_outcome(table: Path, definition: OutcomeDefinition) -> None:
    """Refuse a table whose settings say that its outcomes are by another definition.

    ``pcrnet import`` writes those settings beside a table, under its name. Stages (ypT) are read by
    the bundle's own definition; what the columns yT0 and yT0yN0 say cannot be.

    Args:
        table: The cohort table.
        definition: What complete response of the breast is to the bundle.

    Raises:
        BundleError: The definitions differ, and the table holds such a column.
    """
    stated = _stated_beside(table)
    if stated is None or stated == definition:
        return
    columns = [name for name in read_rows(table)[0] if name in _JUDGED]
    if columns:
        raise BundleError(
            f"the bundle's complete response is {definition}, that of the table is {stated}",
            file=table.name,
            field=columns[0],
            remedy="leave that column out to predict only, give ypT and ypN instead, or take a "
            "bundle of the same outcome.definition",
        )


def _stated_beside(table: Path) -> str | None:
    settings = table.with_suffix(".yaml")
    if not (table.is_file() and settings.is_file()):
        return None
    with suppress(PcrnetError):  # anybody's file may have that name
        outcome = read_yaml(settings).get("outcome")
        stated = outcome.get("definition") if isinstance(outcome, dict) else None
        return stated if isinstance(stated, str) else None
    return None
