from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pcrnet.evaluation.confirmation import confirm
from pcrnet.evaluation.one_outcome import locked_table
from pcrnet.evaluation.sources import Sources, read_run, read_table


@pytest.fixture(scope="module")
def sources(trial_run: Path) -> Sources:
    return read_run(trial_run)


def change(path: Path, **values: object) -> Path:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))
    return path


def test_each_analysis_uses_its_own_table(sources: Sources, protocol_file: Path) -> None:
    interim, baseline = confirm(sources, protocol_file).results
    for result, table in (
        (interim, sources.predictions),
        (baseline, sources.ablations["without_interim"]),
    ):
        counts = locked_table(table, "yT0yN0")
        assert counts is not None
        assert result.tests[0].successes == counts.true_positive


def test_secondary_endpoints_are_estimated(sources: Sources, protocol_file: Path) -> None:
    found = confirm(sources, protocol_file).secondary
    assert [row.endpoint.head for row in found] == ["yT0", "yN0"]
    assert all(row.metrics["auc"].value for row in found)


def test_what_the_run_lacks_is_said(sources: Sources, protocol_file: Path) -> None:
    analyses = {
        "interim": {"timepoints": ["baseline", "presurgical"]},
        "baseline": {"timepoints": ["baseline"], "table": "baselines/none.csv"},
    }
    change(
        protocol_file,
        analyses=analyses,
        secondary=[{"head": "yT0", "analysis": "baseline"}],
    )
    found = confirm(sources, protocol_file)
    assert [result.status for result in found.results] == ["not in this run"] * 2
    assert found.results[0].reason == (
        "the run was trained on baseline + interim, not on baseline + presurgical"
    )
    assert found.results[1].reason == "the run has no baselines/none.csv"
    assert found.secondary[0].reason == "the run has no baselines/none.csv"


def test_a_head_or_threshold_that_is_not_there_is_said(
    sources: Sources, protocol_file: Path
) -> None:
    predictions = sources.predictions
    only = {"yT0": predictions.prob["yT0"]}
    bare = replace(predictions, prob=only, uncalibrated_prob={}, threshold={})
    found = confirm(replace(sources, predictions=bare), protocol_file)
    assert found.results[0].reason == "yT0yN0 was not predicted"
    assert found.secondary[1].reason == "yN0 was not predicted"
    unlocked = replace(sources, predictions=replace(predictions, threshold={}))
    assert confirm(unlocked, protocol_file).results[0].reason == "no threshold was locked"


def test_the_planned_power_is_in_the_tables(sources: Sources, protocol_file: Path) -> None:
    table = confirm(sources, protocol_file).designs[0]
    assert [row.design.response_rate for row in table.powers] == pytest.approx([0.4, 0.5, 0.6])
    assert table.powers[1].sensitivity == pytest.approx(0.939, abs=5e-4)
    truths = [row.design.true_sensitivity for row in table.sizes]
    assert truths == pytest.approx([0.775, 0.8, 0.825, 0.85])


def test_truths_outside_null_and_one_are_left_out(sources: Sources, protocol_file: Path) -> None:
    both = {"sensitivity": 0.95, "specificity": 0.95}
    assumed = {"sensitivity": 0.97, "specificity": 0.97}
    endpoint = {"head": "yT0", "analysis": "interim", "nulls": both, "assumed": assumed}
    change(protocol_file, coprimary=[endpoint], response_rate=0.95)
    table = confirm(sources, protocol_file).designs[0]
    assert [row.design.true_sensitivity for row in table.sizes] == pytest.approx([0.97, 0.995])
    assert [row.design.response_rate for row in table.powers] == pytest.approx([0.85, 0.95])


def test_cross_validation_reads_the_ledger_and_an_external_table_writes_it(
    sources: Sources, protocol_file: Path, trial_run: Path, tmp_path: Path
) -> None:
    assert confirm(sources, protocol_file).openings is None
    change(protocol_file, ledger="openings.json")
    assert confirm(sources, protocol_file).openings == ()
    assert not (tmp_path / "openings.json").exists()
    text = (trial_run / "predictions.csv").read_text().replace(",fold,", ",split,", 1)
    table = tmp_path / "external.csv"
    table.write_text(text)
    for expected in (1, 1):
        assert len(confirm(read_table(table), protocol_file).openings or ()) == expected
    other = shutil.copy(table, tmp_path / "again.csv")
    Path(other).write_text(text.replace("centre A", "centre D"))
    assert len(confirm(read_table(Path(other)), protocol_file).openings or ()) == 2
    assert len(confirm(sources, protocol_file).openings or ()) == 2


def test_a_table_without_presurgical_scans_gets_no_presurgical_verdict(
    sources: Sources, protocol_file: Path
) -> None:
    table = replace(sources, experiment=None)
    change(
        protocol_file,
        analyses={
            "interim": {"timepoints": ["baseline", "presurgical"]},
            "baseline": {"timepoints": ["baseline"]},
        },
        secondary=[],
    )
    found = confirm(table, protocol_file)
    assert [result.status for result in found.results] == ["not in this run"] * 2
    assert "no patient of the table has a scan at presurgical" in found.results[0].reason
    assert "interim, too" in found.results[1].reason


def test_scans_that_cannot_be_seen_are_said_to_be_taken_on_trust(
    sources: Sources, protocol_file: Path
) -> None:
    change(protocol_file, patients=500)
    blind = replace(sources, experiment=None, predictions=replace(sources.predictions, scans=None))
    remarks = " ".join(confirm(blind, protocol_file).remarks)
    assert "taken on trust" in remarks
    assert f"judged are {len(sources.predictions)}" in remarks


def test_patients_without_a_scan_of_an_analysis_are_counted(
    sources: Sources, protocol_file: Path
) -> None:
    scans = tuple(
        ("baseline.pet",) if k < 7 else ("baseline.pet", "interim.pet")
        for k in range(len(sources.predictions))
    )
    table = replace(sources, predictions=replace(sources.predictions, scans=scans))
    remarks = " ".join(confirm(table, protocol_file).remarks)
    assert f"7 of {len(scans)} patients have no scan" in remarks


def test_patients_of_unknown_outcome_are_not_counted_as_judged(
    sources: Sources, protocol_file: Path
) -> None:
    label = {head: values.copy() for head, values in sources.predictions.label.items()}
    for values in label.values():
        values[:200] = np.nan
    known = int((~np.isnan(label["yT0yN0"])).sum())
    table = replace(sources, predictions=replace(sources.predictions, label=label))
    remarks = " ".join(confirm(table, protocol_file).remarks)
    assert f"judged are {known} of {len(sources.predictions)} patients" in remarks


def test_a_run_that_does_not_tell_its_scans_is_believed_its_settings(
    sources: Sources, protocol_file: Path
) -> None:
    blind = replace(sources, predictions=replace(sources.predictions, scans=None))
    remarks = confirm(blind, protocol_file).remarks
    assert not [remark for remark in remarks if "interim:" in remark]
