"""The protocol applied to a run: which analyses it holds, what they confirm, what was planned."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcrnet import __version__
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.evaluation.one_outcome import brief_metrics, locked_table
from pcrnet.evaluation.population.patients import listed
from pcrnet.evaluation.results import HEAD_LABELS, Confirmation, DesignTables, SecondaryResult
from pcrnet.evaluation.sources import Sources
from pcrnet.evaluation.statistics.confusion import Confusion
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.evaluation.trial.endpoints import (
    design_of,
    judge_endpoints,
    power_table,
    sample_size_table,
)
from pcrnet.evaluation.trial.opening_log import Opening, read_openings, record_opening
from pcrnet.evaluation.trial.protocol import (
    CoprimaryEndpoint,
    Protocol,
    SecondaryEndpoint,
    read_protocol,
)
from pcrnet.run_layout import ABLATIONS, PREDICTIONS_FILE

_RATE_STEP = 0.1


def confirm(sources: Sources, protocol_file: Path) -> Confirmation:
    """Carry out the confirmatory analysis, and record the opening of a locked test set.

    Raises:
        ConfigError: The protocol cannot be read.
        IntegrityError: The ledger of openings is damaged or was altered.
    """
    protocol = read_protocol(protocol_file)
    counts = {
        (endpoint.head, endpoint.analysis): _counts(sources, protocol, endpoint)
        for endpoint in protocol.coprimary
    }
    return Confirmation(
        protocol=protocol,
        results=judge_endpoints(protocol, counts),
        secondary=tuple(_secondary(sources, protocol, end) for end in protocol.secondary),
        designs=tuple(_designs(protocol, endpoint) for endpoint in protocol.coprimary),
        openings=_openings(sources, protocol),
        remarks=_remarks(sources, protocol),
    )


def _find_table(sources: Sources, protocol: Protocol, analysis: str) -> Predictions | str:
    """The predictions of an analysis, or why this run does not hold them."""
    planned = protocol.analyses[analysis]
    if planned.table == PREDICTIONS_FILE:
        experiment = sources.experiment
        if experiment is not None and experiment.data.timepoints != planned.timepoints:
            return (
                f"the run was trained on {' + '.join(experiment.data.timepoints)}, "
                f"not on {' + '.join(planned.timepoints)}"
            )
        return _resting_on(sources.predictions, planned.timepoints)
    kind, _, file = planned.table.partition("/")
    variants = sources.ablations if kind == ABLATIONS else sources.baselines
    found = variants.get(file.removesuffix(".csv"))
    if found is None:
        return f"the run has no {planned.table}"
    return _resting_on(found, planned.timepoints)


def _resting_on(table: Predictions, planned: tuple[str, ...]) -> Predictions | str:
    """The table, unless its scans say that it rests on other timepoints than were planned."""
    if table.scans is None:
        return table
    seen = _timepoints(table)
    missing = [name for name in planned if name not in seen]
    if missing:
        return f"no patient of the table has a scan at {listed(missing)}"
    more = sorted(seen - set(planned))
    if more:
        return f"the table rests on scans at {listed(more)}, too, which the analysis leaves out"
    return table


def _timepoints(table: Predictions) -> set[str]:
    return {scan.partition(".")[0] for scans in table.scans or () for scan in scans}


def _remarks(sources: Sources, protocol: Protocol) -> tuple[str, ...]:
    """What a reader must know before believing a verdict."""
    n = len(sources.predictions)
    remarks = []
    if n != protocol.patients:
        remarks.append(
            f"Planned were {protocol.patients} patients, judged are {n}: the power that was "
            "planned is not the power of this analysis."
        )
    remarks += [
        remark
        for endpoint in protocol.coprimary
        if (remark := _left_out(sources, protocol, endpoint))
    ]
    named = [endpoint.analysis for endpoint in protocol.coprimary]
    named += [endpoint.analysis for endpoint in protocol.secondary]
    for name in dict.fromkeys(named):
        table = _find_table(sources, protocol, name)
        if isinstance(table, str):
            continue
        timepoints = protocol.analyses[name].timepoints
        if table.scans is None:
            if sources.experiment is None:
                remarks.append(
                    f"Analysis {name}: which scans the predictions rest on cannot be seen in the "
                    f"table; that they are those at {listed(timepoints)} is taken on trust."
                )
            continue
        without = sum(
            not set(timepoints) <= {scan.partition(".")[0] for scan in scans}
            for scans in table.scans
        )
        if without:
            remarks.append(
                f"Analysis {name}: {without} of {n} patients have no scan at one or more of "
                f"{listed(timepoints)}."
            )
    return tuple(remarks)


def _left_out(sources: Sources, protocol: Protocol, endpoint: CoprimaryEndpoint) -> str:
    """That an endpoint is judged in fewer patients than the table has; empty where it is not."""
    counts = _counts(sources, protocol, endpoint)
    n = len(sources.predictions)
    if isinstance(counts, str) or counts.n == n:
        return ""
    return (
        f"Endpoint {HEAD_LABELS[endpoint.head]} ({endpoint.analysis}): judged are "
        f"{counts.n} of {n} patients; of the others the outcome is unknown, or there is no "
        "threshold."
    )


def _counts(sources: Sources, protocol: Protocol, endpoint: CoprimaryEndpoint) -> Confusion | str:
    table = _find_table(sources, protocol, endpoint.analysis)
    if isinstance(table, str):
        return table
    if endpoint.head not in table.prob:
        return f"{endpoint.head} was not predicted"
    return locked_table(table, endpoint.head) or "no threshold was locked"


def _secondary(
    sources: Sources, protocol: Protocol, endpoint: SecondaryEndpoint
) -> SecondaryResult:
    table = _find_table(sources, protocol, endpoint.analysis)
    if isinstance(table, str):
        return SecondaryResult(endpoint, {}, table)
    if endpoint.head not in table.prob:
        return SecondaryResult(endpoint, {}, f"{endpoint.head} was not predicted")
    return SecondaryResult(endpoint, brief_metrics(table, endpoint.head))


def _designs(protocol: Protocol, endpoint: CoprimaryEndpoint) -> DesignTables:
    design = design_of(protocol, endpoint)
    rate = protocol.response_rate
    rates = [around for around in (rate - _RATE_STEP, rate, rate + _RATE_STEP) if 0 < around < 1]
    shifts = (-0.025, 0.0, 0.025, 0.05)
    truths = [
        (design.true_sensitivity + shift, design.true_specificity + shift)
        for shift in shifts
        if max(design.true_sensitivity, design.true_specificity) + shift < 1
        and design.true_sensitivity + shift > design.null_sensitivity
        and design.true_specificity + shift > design.null_specificity
    ]
    return DesignTables(
        title=(
            f"{HEAD_LABELS[endpoint.head]}, sensitivity {design.null_sensitivity:.2f} → "
            f"{design.true_sensitivity:.2f}, specificity {design.null_specificity:.2f} → "
            f"{design.true_specificity:.2f}"
        ),
        powers=power_table(design, protocol.patients, rates),
        sizes=sample_size_table(design, truths),
    )


def _openings(sources: Sources, protocol: Protocol) -> tuple[Opening, ...] | None:
    """None without a lock. Cross-validation shows the ledger and does not write to it."""
    if protocol.ledger is None:
        return None
    predictions = sources.predictions
    if predictions.fold is not None:
        return read_openings(protocol.ledger)
    return record_opening(
        protocol.ledger,
        patients=[
            (name, [_known(predictions, head, row) for head in HEADS])
            for row, name in enumerate(predictions.patient_id)
        ],
        predictions_sha256=next(iter(sources.digests.values())),
        version=__version__,
    )


def _known(predictions: Predictions, head: Head, row: int) -> int | None:
    value = predictions.label[head][row]
    return None if np.isnan(value) else int(value)
