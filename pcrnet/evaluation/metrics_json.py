"""``metrics.json``: every number of a report, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from pcrnet import __version__
from pcrnet.evaluation.report.caution_sentences import cautions
from pcrnet.evaluation.results import Analysis, Comparison, Confirmation
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import READ_OFF, Consequences
from pcrnet.evaluation.validation import Validation

Json = dict[str, object]


def metrics_record(analysis: Analysis) -> Json:
    """All results as plain JSON; ``heads.<head>.<metric>`` is ``{value, low, high, n, method}``.

    Where something is undefined its value is null and a ``reason`` stands beside it.
    """
    sources = analysis.sources
    record: Json = {
        "name": sources.name,
        "simulated": sources.simulated,
        "patients": len(sources.predictions),
        "folds": analysis.folds,
        "repeats": analysis.repeats,
        "heads": {head.head: _estimates(head.metrics) for head in analysis.heads},
        "shipped": {head.head: _estimates(head.shipped) for head in analysis.heads if head.shipped},
        "spread_over_repeats": {
            head.head: {name: spread.to_json() for name, spread in head.spread.items()}
            for head in analysis.heads
            if head.spread
        },
        "uncalibrated": {
            head.head: _estimates(head.uncalibrated) for head in analysis.heads if head.uncalibrated
        },
        "tables": {head.head: asdict(head.table) for head in analysis.heads if head.table},
        "fold_auc": {head.head: list(head.fold_aucs) for head in analysis.heads if head.fold_aucs},
        "per_hundred": {
            head.head: _consequences(head.consequences)
            for head in analysis.heads
            if head.consequences
        },
        "yT0yN0_given_yT0": _estimates(analysis.conditional),
        "instability": {head: dict(known.instability) for head, known in sources.shipped.items()},
        "sites": None if analysis.sites is None else asdict(analysis.sites),
        "subgroups": {
            head: [
                {
                    "covariate": group.covariate,
                    "level": group.level,
                    "responders": group.responders,
                    **_estimates(group.metrics),
                }
                for group in groups
            ]
            for head, groups in analysis.subgroups.items()
        },
        "comparisons": [_comparison(comparison) for comparison in analysis.comparisons],
        "rivals": _rivals(analysis),
        "quantities": {
            row.name: {
                "unit": row.unit,
                "responders": asdict(row.responders),
                "others": asdict(row.others),
                "auc": row.auc.to_json(),
            }
            for group in analysis.quantities
            for row in group.rows
        },
        "all_auc_equal": {
            kind: {head: asdict(test) for head, test in heads.items()}
            for kind, heads in analysis.together.items()
        },
        "bootstrap": {"draws": analysis.config.bootstrap_draws, "seed": analysis.config.seed},
        "files_sha256": dict(sources.digests),
        "pcrnet": __version__,
    }
    if analysis.sources.bundle is not None:
        record["bundle"] = asdict(analysis.sources.bundle)
    if analysis.validation is not None:
        record["validation"] = _validation(analysis.validation)
    if found := cautions(analysis):
        record["caution"] = " ".join(found)
    if analysis.confirmation is not None:
        record["endpoints"] = _endpoints(analysis.confirmation)
    return record


def _estimates(metrics: Mapping[str, Estimate]) -> Json:
    return {name: estimate.to_json() for name, estimate in metrics.items()}


def _consequences(found: Consequences) -> Json:
    return {
        "spared": found.spared.to_json(),
        "rightly": found.rightly.to_json(),
        "missed": found.missed.to_json(),
        "needless": found.needless.to_json(),
    }


def _rivals(analysis: Analysis) -> Json:
    """Each rival's metrics, and the differences: the run's own model less the rival."""
    compared = {c.name: c.heads for c in analysis.comparisons if c.kind == "baselines"}
    return {
        kind: {
            "heads": {head: _estimates(metrics) for head, metrics in heads.items()},
            "differences": {
                head: {"auc": found.difference.to_json(), **_estimates(found.scores)}
                for head, found in compared[kind].items()
            },
        }
        for kind, heads in analysis.rivals.items()
    }


def _comparison(comparison: Comparison) -> Json:
    return {
        "kind": comparison.kind,
        "name": comparison.name,
        "heads": {
            head: {
                "auc": compared.auc.to_json(),
                "difference": compared.difference.to_json(),
                "p": compared.p,
                **{
                    f"{name}_difference": rate.difference.to_json() | {"p": rate.p}
                    for name, rate in compared.rates.items()
                },
                **{f"{name}_difference": e.to_json() for name, e in compared.scores.items()},
                "net_benefit_difference": [
                    {"threshold": threshold, **estimate.to_json()}
                    for threshold, estimate in zip(
                        READ_OFF.tolist(), compared.net_benefit, strict=True
                    )
                ],
            }
            for head, compared in comparison.heads.items()
        },
    }


def _validation(validation: Validation) -> Json:
    """What is fitted or chosen on the very patients is marked ``chosen_here`` or by its words."""
    return {
        "case_mix": [asdict(row) for row in validation.mix],
        "heads": {
            head.head: {
                "thresholds": [asdict(row) for row in head.thresholds],
                "recalibrated": [asdict(row) for row in head.recalibrated],
            }
            for head in validation.heads
        },
    }


def _endpoints(confirmation: Confirmation) -> Json:
    protocol = confirmation.protocol
    return {
        "title": protocol.title,
        "registration": protocol.registration,
        "alpha": protocol.alpha,
        "remarks": list(confirmation.remarks),
        "coprimary": [
            {
                "head": result.endpoint.head,
                "analysis": result.endpoint.analysis,
                "status": result.status,
                "reason": result.reason,
                "tests": [asdict(test) | {"passed": test.passed} for test in result.tests],
            }
            for result in confirmation.results
        ],
        "power": [
            {
                "head": endpoint.head,
                "analysis": endpoint.analysis,
                "patients": table.powers[0].patients,
                "rows": [asdict(row) for row in table.powers],
            }
            for endpoint, table in zip(protocol.coprimary, confirmation.designs, strict=True)
        ],
        "openings": None
        if confirmation.openings is None
        else [asdict(opening) for opening in confirmation.openings],
    }
