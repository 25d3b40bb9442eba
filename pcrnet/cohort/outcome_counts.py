"""Whether a cohort's outcomes can teach anything: asked before a single image is read.

What is needed, of the outcomes yT0, yN0 and yT0yN0:

- yT0yN0, on which the run is judged, needs as many responders and as many others as there are
  folds, and both in whatever patients a fit learns from.
- Only where pathology of breast or nodes was never recorded for any patient, so that yT0yN0 cannot
  be known both ways, it suffices that the other of the two has that many of both; and it is said.
- yT0 and yN0 may each be unknown, wholly or in part. What is not learned from both classes is said.

Patients of whom nothing is known may enter: they are predicted, and teach nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pcrnet.cohort.outcome import HEADS, OUTCOME_COLUMNS, Head
from pcrnet.cohort.table import Patient
from pcrnet.errors import CohortError
from pcrnet.identity import compact

_MEANT: Mapping[str, str] = {
    name: column
    for column, names in {
        "yT0yN0": "pCR pCR_status pathCR pathologic_complete_response complete_response response "
        "responder ypT0N0 ypT0ypN0 tpCR total_pCR outcome label target",
        "yT0": "ypT0 yT pCR_breast breast_pCR bpCR pCR_T",
        "yN0": "ypN0 yN pCR_nodes nodal_pCR axillary_pCR apCR pCR_N",
        "ypT": "ypT_stage pT_post ypTstage",
        "ypN": "ypN_stage pN_post ypNstage",
    }.items()
    for name in map(compact, names.split())
}
"""How others call what pcrnet reads from the columns on the right."""


@dataclass(frozen=True)
class HeadCounts:
    """How many patients have each answer for one outcome."""

    responders: int
    residual: int
    unknown: int

    @property
    def scarcer(self) -> int:
        """Patients of the rarer class."""
        return min(self.responders, self.residual)


def count_head(patients: Sequence[Patient], head: Head) -> HeadCounts:
    """Count the answers for one outcome."""
    answers = [getattr(patient.outcome, head) for patient in patients]
    return HeadCounts(answers.count(True), answers.count(False), answers.count(None))


def check_outcomes(
    patients: Sequence[Patient],
    fold_of: Mapping[str, int],
    left_out: Sequence[tuple[int, ...]],
    *,
    table: str,
    unused_columns: Sequence[str],
) -> tuple[str, ...]:
    """Refuse outcomes that nothing can be learned from; else say what there is.

    Args:
        patients: Who enters.
        fold_of: Patient to fold.
        left_out: The folds that each of the planned fits leaves out.
        table: Name of the cohort table.
        unused_columns: Columns of the table that were not read.

    Returns:
        For the log: patients and responders by outcome and fold, and which outcomes are not
        learned from both classes.

    Raises:
        CohortError: No outcome is known, or yT0yN0 has too few patients of a class (see above).
    """
    folds = max(fold_of.values()) + 1
    counts = {head: count_head(patients, head) for head in HEADS}
    if all(count.responders + count.residual == 0 for count in counts.values()):
        raise _nothing_known(table, unused_columns)
    faults = {
        head: fault
        for head in HEADS
        if (fault := _fault(patients, fold_of, left_out, head, counts[head], folds))
    }
    lines = (*_by_fold(patients, fold_of, folds, counts), *_cautions(faults))
    if "yT0yN0" in faults and not _is_half_recorded(counts, faults):
        raise CohortError(
            f"yT0yN0 cannot be learned: {faults['yT0yN0']}\n  " + "\n  ".join(lines),
            file=table,
            field="yT0yN0",
            remedy="fill in the outcomes (an empty cell is unknown, never 0), lower "
            "evaluation.folds, or add patients" + _near_words(unused_columns),
        )
    return lines


def _nothing_known(table: str, unused_columns: Sequence[str]) -> CohortError:
    return CohortError(
        "no patient has a known outcome: the columns " + ", ".join(OUTCOME_COLUMNS) + " are "
        "absent or empty",
        file=table,
        field="yT0yN0",
        remedy="give at least yT0yN0 (0 or 1), or ypT and ypN as recorded"
        + _near_words(unused_columns),
    )


def near_columns(unused_columns: Sequence[str]) -> dict[str, str]:
    """Columns that look like an outcome under another name, and what they are probably meant for.

    Others are not named: a header can hold what must not be shown.
    """
    known = list(_MEANT)
    found = {}
    for name in unused_columns:
        near = difflib.get_close_matches(compact(name), known, n=1, cutoff=0.85)
        if near:
            found[name] = _MEANT[near[0]]
    return found


def _near_words(unused_columns: Sequence[str]) -> str:
    near = [f"rename {name} to {meant}" for name, meant in near_columns(unused_columns).items()]
    return f"; perhaps: {', '.join(near)}" if near else ""


def _fault(
    patients: Sequence[Patient],
    fold_of: Mapping[str, int],
    left_out: Sequence[tuple[int, ...]],
    head: Head,
    count: HeadCounts,
    folds: int,
) -> str:
    """Why an outcome cannot be learned; empty where it can."""
    if count.scarcer < folds:
        return (
            f"{count.responders} responders and {count.residual} others are known, and {folds} "
            f"folds need {folds} of each"
        )
    for folds_out in left_out:
        learned = [item for item in patients if fold_of[item.patient_id] not in folds_out]
        if count_head(learned, head).scarcer == 0:
            return (
                f"a fit without the folds {', '.join(map(str, folds_out))} would see one class only"
            )
    return ""


def _is_half_recorded(counts: Mapping[Head, HeadCounts], faults: Mapping[Head, str]) -> bool:
    """Whether breast or nodes were recorded for nobody, and the other can be learned."""
    unrecorded = [
        head for head in ("yT0", "yN0") if counts[head].responders + counts[head].residual == 0
    ]
    return len(unrecorded) == 1 and len([head for head in ("yT0", "yN0") if head in faults]) == 1


def _by_fold(
    patients: Sequence[Patient],
    fold_of: Mapping[str, int],
    folds: int,
    counts: Mapping[Head, HeadCounts],
) -> Iterator[str]:
    members = [[p for p in patients if fold_of[p.patient_id] == fold] for fold in range(folds)]
    for head, count in counts.items():
        cells = [count_head(own, head) for own in members]
        known = [f"{cell.responders}/{cell.responders + cell.residual}" for cell in cells]
        yield (
            f"{head}: {count.responders} responders of {count.responders + count.residual} known, "
            f"{count.unknown} unknown; by fold {', '.join(known)}"
        )


def _cautions(faults: Mapping[Head, str]) -> Iterator[str]:
    for head, fault in faults.items():
        yield f"{head} is not learned from enough of both classes, do not rely on it: {fault}"
