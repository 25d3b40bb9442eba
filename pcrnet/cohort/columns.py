"""What the columns of a cohort table mean, and which are probably misspelt."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pcrnet.cohort.outcome import OUTCOME_COLUMNS
from pcrnet.errors import CohortError
from pcrnet.identity import compact

_MASK, _DAYS = "mask", "days"
_LONGEST_NAME = 200
_MOST_SHOWN, _LONGEST_SHOWN = 20, 64
_FIXED = ("patient_id", "site", *OUTCOME_COLUMNS)


@dataclass(frozen=True)
class VisitColumns:
    """The columns of one timepoint."""

    scans: Mapping[str, str]
    """Configured channel to column."""
    other_scans: Mapping[str, str]
    """Channel that is not configured to column."""
    mask: str | None
    days: str | None


@dataclass(frozen=True)
class Columns:
    """The columns of a table by their meaning, each under the name that it has in the table."""

    visits: Mapping[str, VisitColumns]
    """One for each configured timepoint, in their order."""
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...]
    unused: tuple[str, ...]
    """Columns that the experiment leaves aside."""


def read_columns(
    header: Sequence[str],
    *,
    timepoints: Sequence[str],
    channels: Sequence[str],
    covariates: Sequence[str],
) -> tuple[Columns, list[CohortError]]:
    """Sort the columns by meaning and list everything that is wrong with them."""
    visits = {timepoint: _visit_columns(header, timepoint, channels) for timepoint in timepoints}
    outcomes = tuple(name for name in OUTCOME_COLUMNS if name in header)
    found = tuple(name for name in covariates if name in header)
    used = {"patient_id", "site", *outcomes, *found}
    for visit in visits.values():
        used |= {*visit.scans.values(), *(name for name in (visit.mask, visit.days) if name)}
    columns = Columns(
        visits=visits,
        outcomes=outcomes,
        covariates=found,
        unused=tuple(dict.fromkeys(name for name in header if name and name not in used)),
    )
    likely = [name for name in header if len(name) <= _LONGEST_NAME]  # comparing takes time
    problems = [
        *_badly_named(header),
        *_misspelt(likely, timepoints, channels, covariates),
        *_missing_images(likely, visits, channels),
        *_missing_covariates(likely, covariates),
    ]
    return columns, problems


def _visit_columns(header: Sequence[str], timepoint: str, channels: Sequence[str]) -> VisitColumns:
    prefix = f"{timepoint}."
    columns = {name.removeprefix(prefix): name for name in header if name.startswith(prefix)}
    mask, days = columns.pop(_MASK, None), columns.pop(_DAYS, None)
    return VisitColumns(
        scans={channel: columns[channel] for channel in channels if channel in columns},
        other_scans={of: name for of, name in columns.items() if of not in channels},
        mask=mask,
        days=days,
    )


def _badly_named(header: Sequence[str]) -> Iterator[CohortError]:
    if "patient_id" not in header:
        yield CohortError(
            f"none of the {len(header)} columns is called patient_id",
            field="patient_id",
            remedy="the first row must hold the column names",
        )
    for position, name in enumerate(header, start=1):
        if not name:
            yield CohortError(f"column {position} has no name", remedy="name it, or delete it")
        elif len(name) > _LONGEST_NAME:
            yield CohortError(
                f"the name of column {position} has {len(name)} characters",
                remedy=f"shorten it to {_LONGEST_NAME} at most, or look for a missing line break",
            )
        elif header.index(name) != position - 1:
            yield CohortError(
                f"columns {header.index(name) + 1} and {position} have the same name",
                field=name,
                remedy="keep one of them",
            )


def _misspelt(
    header: Sequence[str],
    timepoints: Sequence[str],
    channels: Sequence[str],
    covariates: Sequence[str],
) -> Iterator[CohortError]:
    for name in header:
        if not name or name in _FIXED or name in covariates:
            continue
        meant = _meant(name, timepoints, (*channels, _MASK, _DAYS))
        if meant is not None and meant != name:
            yield CohortError(
                f"unknown column that looks like {meant}",
                field=name,
                remedy=f"rename it to {meant}, or to something that does not resemble it",
            )


def _meant(name: str, timepoints: Sequence[str], suffixes: Sequence[str]) -> str | None:
    """The column that a name stands for or is probably meant to be; None where neither."""
    for fixed in _FIXED:
        if compact(name) == compact(fixed):
            return fixed
    for before, after in _halves(name):
        for first, second in ((before, after), (after, before)):
            timepoint, suffix = _nearest(first, timepoints), _nearest(second, suffixes)
            if timepoint and suffix:
                return f"{timepoint}.{suffix}"
    for timepoint in timepoints:
        for suffix in suffixes:
            if compact(name) == compact(timepoint + suffix):
                return f"{timepoint}.{suffix}"
    return None


def _halves(name: str) -> Iterator[tuple[str, str]]:
    # A dot says where the halves part; without one, any separator may.
    for separator in re.finditer(r"\." if "." in name else r"[_\-\s/:|]+", name):
        yield name[: separator.start()], name[separator.end() :]


def _nearest(text: str, options: Sequence[str]) -> str | None:
    if text in options:
        return text
    letters = re.sub(r"\d", "", text)
    # Two names that differ in their numbers alone (week3, week6; t1, t2) are two things.
    candidates = [
        o for o in options if re.sub(r"\d", "", o) != letters or compact(o) == compact(text)
    ]
    by_compact = {compact(option): option for option in candidates}
    near = difflib.get_close_matches(compact(text), by_compact, n=1, cutoff=0.8)
    return by_compact[near[0]] if near else None


def _missing_images(
    header: Sequence[str], visits: Mapping[str, VisitColumns], channels: Sequence[str]
) -> Iterator[CohortError]:
    no_images = (f".{_MASK}", f".{_DAYS}")
    images = [name for name in header if "." in name and not name.endswith(no_images)]
    there = f"the image columns there are: {_listed(images) or 'none'}"
    for timepoint, visit in visits.items():
        if not visit.scans:
            yield CohortError(
                f"no column holds a configured channel of the timepoint {timepoint}; {there}",
                field="data.timepoints",
                remedy="add the column (its cells may be empty)",
            )
    absent = [c for c in channels if not any(c in visit.scans for visit in visits.values())]
    if absent:
        yield CohortError(
            f"no column holds the channel{'s' * (len(absent) > 1)} {', '.join(absent)}; {there}",
            field="data.branches",
            remedy="add the columns (their cells may be empty)",
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:_LONGEST_SHOWN] for name in names[:_MOST_SHOWN])
    return f"{shown} and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else shown


def _missing_covariates(header: Sequence[str], covariates: Sequence[str]) -> Iterator[CohortError]:
    for name in covariates:
        if name not in header:
            near = difflib.get_close_matches(name, list(header), n=1)
            yield CohortError(
                f"the table has no column {name}" + (f"; did you mean {near[0]}?" if near else ""),
                field="data.covariates",
                remedy="name columns of the table, or leave the covariate out",
            )
        elif name in ("patient_id", *OUTCOME_COLUMNS) or "." in name:
            yield CohortError(
                f"{name} cannot be a covariate: it is a name, an outcome or a scan",
                field="data.covariates",
                remedy="leave it out of data.covariates",
            )
