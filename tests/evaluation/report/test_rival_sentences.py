"""The run's model beside its rivals, in rows and in sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.analysis import analyse
from pcrnet.evaluation.metrics_json import metrics_record
from pcrnet.evaluation.report.page import render_report
from pcrnet.evaluation.report.rival_sentences import kept_sentence, rival_groups, rival_sentences
from pcrnet.evaluation.results import Analysis
from pcrnet.evaluation.sources import read_run
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import Predictions

FEW = EvaluationConfig(bootstrap_draws=200)


@pytest.fixture(scope="module")
def judged(rivals_run: Path) -> Analysis:
    return analyse(read_run(rivals_run), FEW)


def with_difference(analysis: Analysis, auc: float | None, loss: float | None) -> str:
    """The sentence on yT0 and the clinical rival, were these the differences, all ± 0.01."""

    def estimate(value: float | None) -> Estimate:
        if value is None:
            return Estimate.undefined("one class only", n=9, method="")
        return Estimate(value, value - 0.01, value + 0.01, 9, "")

    clinical = next(c for c in analysis.comparisons if c.name == "clinical")
    found = replace(
        clinical.heads["yT0"], difference=estimate(auc), scores={"log_loss": estimate(loss)}
    )
    one = replace(clinical, heads={"yT0": found})
    return rival_sentences(replace(analysis, comparisons=(one,)))[0]


@pytest.mark.parametrize(
    ("auc", "loss", "said"),
    [
        (0.1, -0.1, "yT0: the network is better than the clinical model: AUC differs by +0.100"),
        (-0.1, 0.1, "yT0: the network is worse than the clinical model: AUC differs by −0.100"),
        (0.005, -0.005, "yT0: no evidence that the network is better than the clinical model: AUC"),
        (0.1, 0.0, "better than the clinical model by AUC; by log loss there is no evidence of it"),
        (0.0, 0.1, "worse than the clinical model by log loss; by AUC there is no evidence of it"),
        (0.1, 0.1, "is better than the clinical model by AUC and worse by log loss"),
        (None, None, "no evidence that the network is better than the clinical model: AUC not def"),
    ],
)
def test_better_and_worse_are_said_where_an_interval_leaves_out_zero_alone(
    judged: Analysis, auc: float | None, loss: float | None, said: str
) -> None:
    assert said in with_difference(judged, auc, loss)


def test_the_record_holds_each_rivals_metrics_and_the_paired_differences(judged: Analysis) -> None:
    record = json.loads(json.dumps(metrics_record(judged), allow_nan=False))
    assert set(record["rivals"]) == {"clinical", "quantitative"}
    main, rival = judged.sources.predictions, judged.sources.baselines["clinical"]
    for head in ("yT0", "yN0", "yT0yN0"):
        found = record["rivals"]["clinical"]
        assert set(found["heads"][head]) == set(record["heads"][head]) - {"ici", "e50", "e90"}
        known = ~np.isnan(main.label[head])
        label = main.label[head][known]
        losses = [log_loss(label, table.prob[head][known]) for table in (main, rival)]
        assert found["heads"][head]["log_loss"]["value"] == pytest.approx(losses[1])
        differences = found["differences"][head]
        assert {"auc", "log_loss", "brier"} <= set(differences)
        assert differences["log_loss"]["value"] == pytest.approx(losses[0] - losses[1])
        for estimate in differences.values():
            assert estimate["low"] < estimate["value"] < estimate["high"]
            assert estimate["n"] == known.sum()
            assert estimate["method"]
        fold = main.fold[known]
        pairs = [(label[fold == k].sum() * (1 - label[fold == k]).sum()) for k in range(5)]
        areas = [
            [roc_auc_score(label[fold == k], t.prob[head][known][fold == k]) for k in range(5)]
            for t in (main, rival)
        ]
        within = np.average(areas[0], weights=pairs) - np.average(areas[1], weights=pairs)
        assert differences["auc"]["value"] == pytest.approx(within)
        same = record["rivals"]["quantitative"]["differences"][head]
        assert {same[name]["value"] for name in ("auc", "log_loss", "brier")} == {0.0}


def test_a_rival_that_ruled_out_what_happened_is_null_with_a_reason(judged: Analysis) -> None:
    main = judged.sources.predictions
    prob = {head: values.copy() for head, values in main.prob.items()}
    patient = np.flatnonzero(main.label["yT0"] == 1)[0]
    prob["yT0"][patient] = prob["yT0yN0"][patient] = 0.0
    zero = replace(main, prob=prob, uncalibrated_prob={})
    sources = replace(judged.sources, baselines={"clinical": zero}, ablations={})
    record = metrics_record(analyse(sources, FEW))
    found = record["rivals"]["clinical"]["differences"]["yT0"]["log_loss"]
    assert found["value"] is None
    assert "probability 0" in found["reason"]


def test_the_first_page_shows_the_model_beside_its_rivals(judged: Analysis) -> None:
    page = render_report(judged, {})
    answer = page[page.index('id="answer"') : page.index('aria-label="Contents"')]
    assert "the network is better than the clinical model: AUC differs by +0." in answer
    assert "no evidence that the network is better than the model of measured quantities" in answer
    assert answer.count('class="interval"') == 2 * 2 * 2  # heads, rivals, measures
    assert "0 % for yT0, 40 % for yN0 after yT0 and 25 % for yN0 with residue" in answer
    assert "Simpler models" in page  # among what the prediction rests on
    assert 'href="#rivals"' in page


def test_a_run_without_rivals_says_nothing_of_any(judged: Analysis) -> None:
    sources = replace(judged.sources, baselines={}, kept=(), quantities={})
    alone = analyse(sources, FEW)
    assert metrics_record(alone)["rivals"] == {}
    assert rival_groups(alone) == ()
    assert rival_sentences(alone) == ()
    page = render_report(alone, {})
    assert 'id="rivals"' not in page
    assert 'id="quantities"' not in page
    assert 'id="ablations"' in page


def test_drawn_intervals_run_from_worse_to_better_and_fit(judged: Analysis) -> None:
    drawn = [
        (measure, measure.drawn)
        for group in rival_groups(judged)
        for row in group.rows
        for measure in (row.auc, row.log_loss)
        if measure.drawn
    ]
    assert max(max(-line.low, line.high) for _, line in drawn) == pytest.approx(48.0)
    clinical = rival_groups(judged)[0].rows[1]
    assert clinical.log_loss.difference.value < 0 < clinical.log_loss.drawn.value
    assert clinical.auc.drawn.value > 0


def test_what_the_network_kept_is_said_where_it_is_known(judged: Analysis) -> None:
    def said(*kept: float, kind: str = "network") -> str:
        assert judged.sources.kind == "network"
        sources = replace(judged.sources, kept=kept)
        if kind != "network":
            sources = replace(sources, experiment=None)
        return kept_sentence(replace(judged, sources=sources))

    assert "adds nothing to the model that it starts from, and equals it" in said(0.0, 0.0, 0.0)
    assert "100 % for yT0" in said(1.0, 1.0, 1.0)
    assert said() == ""
    assert said(0.0, 0.0, 0.0, kind="table") == ""


def test_a_shipped_network_that_adds_nothing_is_told_apart_from_the_fits_that_are_judged(
    judged: Analysis,
) -> None:
    patients = len(judged.sources.predictions.patient_id)
    prob = {"yT0": np.full(patients, 0.6), "yN0": np.full(patients, 0.5)}
    prob["yT0yN0"] = np.full(patients, 0.3)
    own = replace(judged.sources.predictions, prob=prob)
    # A fold of four patients kept a part of the correction of one outcome.
    moved = np.zeros(patients)
    moved[:4] = [0.002, -0.011, 0.001, 0.0]
    start = replace(own, prob={**prob, "yN0": prob["yN0"] + moved})

    def said(**baselines: Predictions) -> str:
        sources = replace(
            judged.sources, predictions=own, baselines=baselines, kept=(0.0, 0.0, 0.0)
        )
        return kept_sentence(replace(judged, sources=sources))

    told = said(quantitative=start)
    assert "differ from those of the model of measured quantities by up to 0.011" in told
    assert "with the same probabilities" in said(quantitative=own)
    assert "may have kept a part" in said(clinical=start)


def test_the_quantities_are_in_the_page_and_the_record(judged: Analysis) -> None:
    page = render_report(judged, {})
    assert "All quantities, by visit and channel" in page
    found = metrics_record(judged)["quantities"]
    assert set(found) == {"baseline.pet.mtv_ml", "interim.days"}
    assert found["interim.days"]["auc"]["value"] is None
    assert (
        found["baseline.pet.mtv_ml"]["responders"]["n"]
        == judged.sources.predictions.label["yT0"].sum()
    )


def test_a_rival_without_an_outcome_or_an_interval_is_shown_as_far_as_it_goes(
    judged: Analysis,
) -> None:
    clinical, same = (c for c in judged.comparisons if c.kind == "baselines")
    bare = Estimate(0.1, None, None, 9, "", "no variance")
    found = replace(clinical.heads["yT0"], difference=bare)
    one = replace(clinical, heads={"yT0": found})
    some = replace(judged, comparisons=(one, same))
    primary, breast = rival_groups(some)
    assert [row.name for row in primary.rows] == ["The network", "The model of measured quantities"]
    assert len(breast.rows) == 3
    assert breast.rows[1].auc.drawn is None
    assert "AUC differs by +0.100 (no interval)" in rival_sentences(some)[0]
    page = render_report(some, {})
    assert page.count('class="interval"') == 2 * 3
