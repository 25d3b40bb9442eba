"""The answer of ``pcrnet check`` as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pcrnet.review.checks import CohortReport

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_SHOWN_PATIENTS = 5


def render_report(report: CohortReport) -> RenderableType:
    """The report as tables for a terminal."""
    from rich.console import Group
    from rich.text import Text

    heading = f"{report.table}: {report.patients} patients without a problem in the table"
    if report.too_few_scans:
        heading += f", of whom {report.too_few_scans} have too few scans to enter"
    parts: list[RenderableType] = [Text(heading, style="bold")]
    parts += [Text(f"{report.table}: {remark}") for remark in report.remarks]
    parts += [Text(), _scan_table(report)]
    for line in report.channel_rules:
        # A line of its own each: a wrong rule makes plausible numbers.
        parts.append(Text(f"{line}\n", style="yellow" if line.startswith("warning") else ""))
    if report.missing:
        parts.append(_pattern_table(report))
    parts += [_outcome_table(report), _cell_table(report)]
    if set(report.sites) - {""}:
        parts.append(_count_table("Sites", "site", report.sites))
    if report.covariates:
        parts.append(_count_table("Covariates", "known in", report.covariates))
    if report.unused_columns:
        # Counted, not named: a header may be as free a text as what stands below it.
        unused = len(report.unused_columns)
        parts.append(Text(f"Columns that neither the contract nor data.covariates names: {unused}"))
    if report.warnings:
        parts.append(_warning_table(report))
    if report.without_mask:
        parts.append(_lesion_text(report))
    parts.append(_problem_text(report))
    return Group(*parts)


def _new_table(title: str, *columns: str, figures: bool = True) -> Table:
    """An empty table; the columns after the first hold figures, or words."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if figures and position else "left")
    return table


def _scan_table(report: CohortReport) -> Table:
    table = _new_table("Scans present", "", *report.channels, "mask", "days")
    for timepoint in report.timepoints:
        counts = [report.scans[timepoint, channel] for channel in report.channels]
        counts += [report.masks[timepoint], report.days[timepoint]]
        table.add_row(timepoint, *map(str, counts))
    return table


def _pattern_table(report: CohortReport) -> Table:
    table = _new_table("Missing together", "scans", "patients")
    for names, count in report.missing:
        table.add_row(_pattern(names, report), str(count))
    return table


def _pattern(names: tuple[str, ...], report: CohortReport) -> str:
    """Missing scans in words; a visit without any scan is named once."""
    words: list[str] = []
    for timepoint in report.timepoints:
        of_visit = [name for name in names if name.startswith(f"{timepoint}.")]
        whole = len(of_visit) == len(report.channels)
        words += [f"all of {timepoint}"] if whole else of_visit
    return ", ".join(words)


def _outcome_table(report: CohortReport) -> Table:
    table = _new_table("Outcomes", "", "complete response", "residual disease", "unknown")
    for head, counts in report.outcomes.items():
        table.add_row(head, str(counts.responders), str(counts.residual), str(counts.unknown))
    return table


def _cell_table(report: CohortReport) -> Table:
    table = _new_table("Breast and nodes, where both are known", "", "yN0 = 1", "yN0 = 0")
    both, breast, nodes, neither = map(str, report.cells)
    table.add_row("yT0 = 1", both, breast)
    table.add_row("yT0 = 0", nodes, neither)
    return table


def _count_table(title: str, label: str, counts: Mapping[str, int]) -> Table:
    table = _new_table(title, label, "patients")
    for name, count in counts.items():
        table.add_row(name or "unknown", str(count))
    return table


def _warning_table(report: CohortReport) -> Table:
    """Each warning once, with the scans and patients that it concerns."""
    table = _new_table("Worth knowing", "concluded in reading", "scans", "patients", figures=False)
    for text in dict.fromkeys(warning.text for warning in report.warnings):
        alike = [warning for warning in report.warnings if warning.text == text]
        scans = dict.fromkeys(warning.column for warning in alike)
        patients = list(dict.fromkeys(warning.patient for warning in alike))
        more = ", …" if len(patients) > _SHOWN_PATIENTS else ""
        named = ", ".join(patients[:_SHOWN_PATIENTS]) + more
        table.add_row(text, ", ".join(scans), f"{len(patients)}: {named}")
    return table


def _lesion_text(report: CohortReport) -> Text:
    """How many lesions had to be looked for, and which a reader should see for himself."""
    from rich.text import Text

    text = Text(f"\nPatients without a mask, whose lesion is looked for: {report.without_mask}")
    if not report.unsure:
        return text
    text.append(
        f"\nin {len(report.unsure)} of them not surely; look at their pictures or draw a mask:",
        style="yellow",
    )
    for one in report.unsure:
        said = "none found" if one.quality is None else f"quality {one.quality:.2f}"
        text.append(f"\n- {one.patient}: {said}")
    return text


def _problem_text(report: CohortReport) -> Text:
    from rich.text import Text

    if not report.problems:
        return Text("\nNo problems found.", style="green")
    count = len(report.problems)
    text = Text(f"\n{count} problem{'s' if count > 1 else ''}\n", style="bold red")
    for problem in report.problems:
        text.append(f"- {problem}\n", style="default")
    return text
