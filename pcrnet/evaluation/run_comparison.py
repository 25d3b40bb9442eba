"""Finished runs against each other, in pairs: the same patients, predicted by different models."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcrnet import __version__
from pcrnet.cohort.outcome import Head
from pcrnet.errors import RunError
from pcrnet.evaluation.comparisons import compare_together, compare_variants
from pcrnet.evaluation.repeats import average
from pcrnet.evaluation.results import READING_ORDER, ComparedHead
from pcrnet.evaluation.sources import Sources, read_run
from pcrnet.evaluation.statistics.calibration.scores import log_losses, why_no_log_loss
from pcrnet.evaluation.statistics.comparison.auc_comparison import GlobalComparison
from pcrnet.evaluation.statistics.comparison.score_comparison import mean_difference
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import Predictions

_OTHER_FOLDS = "the runs have other folds, and ranks are compared within folds only"


@dataclass(frozen=True)
class RunOfMany:
    """One run among those that are compared.

    Attributes:
        name: Its folder's name, with that of the folder above where two are called alike.
        kind: Of its model; empty where its making is unknown.
        auc: Of each head.
        log_loss: Of each head, in nats.
    """

    name: str
    kind: str
    auc: Mapping[Head, Estimate]
    log_loss: Mapping[Head, Estimate]


@dataclass(frozen=True)
class RunComparison:
    """Runs compared with the first of them.

    Attributes:
        runs: The first is what the others are compared with.
        heads: That all of them predict, the primary outcome first.
        patients: How many there are.
        differences: Of each further run and head: the first run less that run.
        together: Of each head the test that all AUCs are the same; of two runs, or of runs with
            other folds, none.
        remarks: What a reader should know.
        simulated: Whether the patients were simulated.
    """

    runs: tuple[RunOfMany, ...]
    heads: tuple[Head, ...]
    patients: int
    differences: tuple[Mapping[Head, ComparedHead], ...]
    together: Mapping[Head, GlobalComparison]
    remarks: tuple[str, ...]
    simulated: bool

    def to_json(self) -> dict[str, object]:
        """All numbers, as plain data."""
        return {
            "pcrnet": __version__,
            "patients": self.patients,
            "simulated": self.simulated,
            "remarks": list(self.remarks),
            "runs": [
                {
                    "name": run.name,
                    "kind": run.kind,
                    "heads": {
                        head: {
                            "auc": run.auc[head].to_json(),
                            "log_loss": run.log_loss[head].to_json(),
                        }
                        for head in self.heads
                    },
                }
                for run in self.runs
            ],
            "first": self.runs[0].name,
            "first_less_other": [
                {
                    "other": run.name,
                    "heads": {
                        head: {
                            "auc": found.difference.to_json(),
                            "auc_p": found.p,
                            **{name: each.to_json() for name, each in found.scores.items()},
                            **{
                                name: rate.difference.to_json() | {"p": rate.p}
                                for name, rate in found.rates.items()
                            },
                        }
                        for head, found in heads.items()
                    },
                }
                for run, heads in zip(self.runs[1:], self.differences, strict=True)
            ],
            "all_auc_equal": {
                head: {"chi2": test.chi2, "freedom": test.freedom, "p": test.p}
                for head, test in self.together.items()
            },
        }


def compare_runs(paths: Sequence[Path]) -> RunComparison:
    """Compare finished runs with the first of them, patient by patient.

    Repeats of cross-validation that all of them have are compared one by one, and the differences
    and their limits averaged, as everywhere.

    Raises:
        RunError: Fewer than two runs, the same one twice, or runs of other patients or outcomes.
        PredictionsError: A table breaks the contract of predictions.
    """
    if len(paths) < 2:
        raise RunError("there is nothing to compare with", remedy="name two runs or more")
    if len({path.resolve() for path in paths}) < len(paths):
        raise RunError("a run is named twice", remedy="name each once")
    sources = [read_run(path) for path in paths]
    first = sources[0]
    for path, other in zip(paths[1:], sources[1:], strict=True):
        _require_same_patients(paths[0], first.predictions, path, other.predictions)
        _require_same_making(paths[0], first, path, other)
    tables = [[_in_order_of(first, table) for table in each.all_repeats] for each in sources]
    count = min(len(repeats) for repeats in tables)
    heads = tuple(
        head for head in READING_ORDER if all(head in each.predictions.heads for each in sources)
    )
    if not heads:
        raise RunError("the runs predict no outcome in common", remedy="compare others")
    names = _names(paths)
    alike = all(
        _same_folds(tables[0][number], other[number])
        for other in tables[1:]
        for number in range(count)
    )
    repeats = [
        Sources(
            names[0],
            tables[0][number],
            covariates=(),
            baselines=dict(zip(names[1:], (other[number] for other in tables[1:]), strict=True)),
        )
        for number in range(count)
    ]
    return RunComparison(
        runs=tuple(
            RunOfMany(
                name,
                each.kind,
                {head: average([_auc(table, head) for table in own[:count]]) for head in heads},
                {
                    head: average([_log_loss(table, head) for table in own[:count]])
                    for head in heads
                },
            )
            for name, each, own in zip(names, sources, tables, strict=True)
        ),
        heads=heads,
        patients=len(first.predictions),
        differences=_differences(repeats, names[1:], heads, alike=alike),
        together=compare_together(repeats[0]).get("baselines", {}) if alike and count == 1 else {},
        remarks=(*_remarks(tables, count, alike=alike), *_cautions(names, sources)),
        simulated=any(each.simulated for each in sources),
    )


def _differences(
    repeats: Sequence[Sources], names: Sequence[str], heads: Sequence[Head], *, alike: bool
) -> tuple[Mapping[Head, ComparedHead], ...]:
    compared = [{found.name: found.heads for found in compare_variants(each)} for each in repeats]
    return tuple(
        {head: _averaged([each[name][head] for each in compared], alike=alike) for head in heads}
        for name in names
    )


def _averaged(repeats: Sequence[ComparedHead], *, alike: bool) -> ComparedHead:
    """One comparison of several repeats; a test that one repeat has, several have not."""
    first = repeats[0]
    difference = average([each.difference for each in repeats])
    if not alike:
        difference = Estimate.undefined(_OTHER_FOLDS, n=difference.n, method=difference.method)
    return replace(
        first,
        auc=average([each.auc for each in repeats]),
        difference=difference,
        p=first.p if alike and len(repeats) == 1 else None,
        scores={name: average([each.scores[name] for each in repeats]) for name in first.scores},
        rates=first.rates if len(repeats) == 1 else {},
        net_benefit=first.net_benefit if len(repeats) == 1 else (),
    )


def _auc(table: Predictions, head: Head) -> Estimate:
    known = ~np.isnan(table.label[head])
    fold = None if table.fold is None else table.fold[known]
    return auc(table.prob[head][known], table.label[head][known], fold)


def _log_loss(table: Predictions, head: Head) -> Estimate:
    known = ~np.isnan(table.label[head])
    prob, label = table.prob[head][known], table.label[head][known]
    if reason := why_no_log_loss(prob, label):
        return Estimate.undefined(reason, n=len(label), method="mean over patients")
    return replace(
        mean_difference(log_losses(prob, label)), method="mean over patients, Student’s t"
    )


def _require_same_patients(
    path: Path, first: Predictions, other_path: Path, other: Predictions
) -> None:
    """Refuse runs that cannot be compared in pairs.

    Raises:
        RunError: Patients or outcomes differ; how many do is said, and nobody's name.
    """
    mine, theirs = set(first.patient_id), set(other.patient_id)
    if mine != theirs:
        raise RunError(
            f"has other patients than {path}: {len(theirs - mine)} of its {len(theirs)} are not "
            f"there, and {len(mine - theirs)} of those {len(mine)} are not here",
            file=other_path,
            remedy="compare runs of the same cohort, with the same data.minimum_scans",
        )
    place = {name: row for row, name in enumerate(other.patient_id)}
    rows = [place[name] for name in first.patient_id]
    for head, label in first.label.items():
        same = label == other.label[head][rows]
        differing = ~(same | (np.isnan(label) & np.isnan(other.label[head][rows])))
        if differing.any():
            raise RunError(
                f"states another outcome than {path} for {int(differing.sum())} of "
                f"{len(label)} patients",
                file=other_path,
                field=head,
                remedy="compare runs of the same table and the same outcome.definition",
            )


def _require_same_making(path: Path, first: Sources, other_path: Path, other: Sources) -> None:
    """Refuse two definitions of the outcome even where they happen to agree on these patients."""
    mine, theirs = first.definition, other.definition
    if mine != theirs:
        raise RunError(
            f"defines the outcome as {theirs}, and {path} as {mine}",
            file=other_path,
            field="outcome.definition",
            remedy="compare runs with one definition",
        )


def _in_order_of(first: Sources, table: Predictions) -> Predictions:
    """The table in the order of the first run's patients."""
    names = first.predictions.patient_id
    if table.patient_id == names:
        return table
    place = {name: row for row, name in enumerate(table.patient_id)}
    rows = [place[name] for name in names]
    return replace(
        table,
        patient_id=names,
        prob={head: values[rows] for head, values in table.prob.items()},
        label={head: values[rows] for head, values in table.label.items()},
        threshold={head: values[rows] for head, values in table.threshold.items()},
        fold=None if table.fold is None else table.fold[rows],
        site=None,
        uncalibrated_prob={},
        scans=None,
        other={},
    )


def _same_folds(first: Predictions, other: Predictions) -> bool:
    if first.fold is None or other.fold is None:
        return first.fold is None and other.fold is None
    return bool(np.array_equal(first.fold, other.fold))


def _remarks(
    tables: Sequence[Sequence[Predictions]], count: int, *, alike: bool
) -> tuple[str, ...]:
    found = []
    if not alike:
        found.append(
            f"No difference of AUCs: {_OTHER_FOLDS}. Scores are compared patient by patient."
        )
    if count > 1:
        found.append(f"Averaged over {count} repeats of cross-validation, limits likewise.")
    if any(len(repeats) > count for repeats in tables):
        found.append(f"Only the first {count} repeats are used: not every run has more.")
    return tuple(found)


def _cautions(names: Sequence[str], sources: Sequence[Sources]) -> list[str]:
    """Which run flatters itself by how it was estimated, where others may not."""
    return [
        f"{name}: {each.experiment.evaluation.caution}"
        for name, each in zip(names, sources, strict=True)
        if each.experiment is not None and each.experiment.evaluation.caution
    ]


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of the runs, with those of the folders above them as far as it takes."""
    parts = [path.resolve().parts for path in paths]
    deeper = (["/".join(each[-depth:]) for each in parts] for depth in itertools.count(1))
    # No two are the same folder: at some depth all names differ.
    return next(names for names in deeper if len(set(names)) == len(names))
