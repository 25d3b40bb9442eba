"""Finished runs against each other, on the console and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcrnet.evaluation.report.page import render_page
from pcrnet.evaluation.report.sentences import p_short
from pcrnet.evaluation.results import HEAD_LABELS
from pcrnet.evaluation.run_comparison import RunComparison
from pcrnet.evaluation.statistics.intervals import Estimate

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("run", "AUC", "log loss", "Δ AUC", "p", "Δ log loss", "Δ Brier")
TableRows = list[tuple[str, ...]]


def rows_of(found: RunComparison) -> dict[str, TableRows]:
    """Outcome to a row a run: its own numbers, then the first run less this one."""
    tables: dict[str, TableRows] = {}
    for head in found.heads:
        rows: TableRows = []
        for index, run in enumerate(found.runs):
            own = (run.name, _shown(run.auc[head]), _shown(run.log_loss[head]))
            if index == 0:
                rows.append((*own, "–", "–", "–", "–"))
                continue
            compared = found.differences[index - 1][head]
            rows.append(
                (
                    *own,
                    _shown(compared.difference, signed=True),
                    "–" if compared.p is None else p_short(compared.p),
                    _shown(compared.scores["log_loss"], signed=True),
                    _shown(compared.scores["brier"], signed=True),
                )
            )
        tables[HEAD_LABELS[head]] = rows
    return tables


def console_tables(found: RunComparison) -> list[Table]:
    """A table an outcome, intervals below their values; all numbers are in the JSON."""
    from rich.table import Table

    tables = []
    for title, rows in rows_of(found).items():
        table = Table(title=f"{title}, n = {found.patients}", title_justify="left", box=None)
        for index, column in enumerate(("run", "AUC", "log loss", "Δ AUC", "Δ log loss")):
            table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
        for name, area, loss, difference, p, loss_difference, _ in rows:
            tested = difference if p == "–" else f"{difference}\np {p}"
            cells = (area, loss, tested, loss_difference)
            table.add_row(name, *map(_narrow, cells))
        tables.append(table)
    return tables


def sentences_of(found: RunComparison) -> list[str]:
    """How the tables are to be read."""
    return [
        f"Δ: {found.runs[0].name} less the run of the row, patient by patient, with intervals of "
        "95 %. An AUC above 0, a loss or Brier score below 0 favours "
        f"{found.runs[0].name}. The intervals are given the fitted models; p is not adjusted for "
        "the number of runs.",
        *(
            f"{HEAD_LABELS[head]}: that all AUCs are the same, p {p_short(test.p)}"
            for head, test in found.together.items()
        ),
        *found.remarks,
    ]


def render_comparison(found: RunComparison) -> str:
    """The page as HTML, which loads nothing from anywhere."""
    return render_page(
        "comparison.html.j2",
        {
            "found": found,
            "columns": COLUMNS,
            "tables": rows_of(found),
            "sentences": sentences_of(found),
        },
    )


def _narrow(cell: str) -> str:
    """A cell with its limits on a line of their own."""
    return cell.replace(" (", "\n", 1).replace(" to ", "…").replace(")", "")


def _shown(estimate: Estimate, *, signed: bool = False) -> str:
    if estimate.value is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    text = f"{estimate.value:{form}}"
    if estimate.low is not None:
        text += f" ({estimate.low:{form}} to {estimate.high:{form}})"
    return text.replace("-", "−")
