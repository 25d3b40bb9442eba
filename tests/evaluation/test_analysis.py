from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pcrnet.config.evaluation import EvaluationConfig, NetBenefitRule
from pcrnet.config.layers import load_experiment
from pcrnet.errors import ConfigError, RunError
from pcrnet.evaluation import analysis as analysis_module
from pcrnet.evaluation.analysis import analyse, evaluate_run, evaluate_table
from pcrnet.evaluation.metrics_json import metrics_record
from pcrnet.evaluation.population.patients import covariates_of
from pcrnet.evaluation.report.page import render_report
from pcrnet.evaluation.sources import Sources, read_table
from pcrnet.evaluation.tables.predictions import Predictions

FEW = EvaluationConfig(bootstrap_draws=200)
HEADS = ("yT0yN0", "yT0", "yN0")


def test_it_imports_neither_torch_nor_what_only_drawing_needs() -> None:
    heavy = "{'torch', 'matplotlib', 'jinja2', 'pandas'}"
    code = f"import sys, pcrnet.evaluation.analysis; sys.exit(str({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stderr.strip() == "set()"


def config_of(run: Path, *overrides: str) -> EvaluationConfig:
    return load_experiment([str(run / "config.yaml"), *overrides]).evaluation


def tags(page: str, attribute: str) -> list[str]:
    return re.findall(rf'\b{attribute}="([^"]*)"', page)


@pytest.fixture(scope="module")
def report(trial_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the made-up trial with its protocol."""
    protocol = tmp_path_factory.mktemp("protocol") / "protocol.yaml"
    shipped = Path(__file__).parents[2] / "configs" / "protocols" / "NCT06708910.yaml"
    protocol.write_text(shipped.read_text())
    config = config_of(
        trial_run, f"evaluation.protocol={protocol}", "evaluation.bootstrap_draws=200"
    )
    return evaluate_run(trial_run, config)


def test_the_report_and_its_numbers_lie_in_the_run(report: Path, trial_run: Path) -> None:
    assert report == trial_run / "report" / "index.html"
    metrics = json.loads((report.parent / "metrics.json").read_text())
    assert metrics["simulated"] is True
    for head in HEADS:
        found = metrics["heads"][head]
        for name in ("auc", "sensitivity", "specificity", "accuracy", "ppv", "npv", "brier"):
            assert {"value", "low", "high", "n", "method"} <= set(found[name])
        assert (report.parent / "figures" / f"roc_{head}.svg").is_file()
        assert (report.parent / "figures" / f"roc_{head}.pdf").is_file()
    assert metrics["endpoints"]["power"][0]["rows"][1]["sensitivity"] == pytest.approx(
        0.939, abs=5e-4
    )


def test_the_page_loads_and_runs_nothing(report: Path) -> None:
    page = report.read_text()
    assert "<script" not in page
    assert "@import" not in page
    sources = tags(page, "src")
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    links = [link for link in tags(page, "href") if not link.startswith("#")]
    assert all(link == "metrics.json" or link.startswith("figures/") for link in links)
    assert all((report.parent / link).is_file() for link in links)


def test_every_link_within_the_page_has_its_place_once(report: Path) -> None:
    page = report.read_text()
    places = tags(page, "id")
    assert len(places) == len(set(places))
    assert {link[1:] for link in tags(page, "href") if link.startswith("#")} <= set(places)


def test_the_page_says_what_was_simulated_and_what_the_trial_found(report: Path) -> None:
    page = report.read_text()
    assert "Simulated data" in page
    assert "[simulated]" in page
    assert re.search(r"Co-primary endpoint yT0 yN0, baseline \+ interim: (not )?met", page)
    assert "460 patients at 3 sites, simulated" in page
    for section in ("flow", "table-one", "power", "subgroups", "ablations", "cases", "checklist"):
        assert f'id="{section}"' in page


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    """No clock, no random name."""
    table = external_table(tmp_path, columns=("threshold_yT0",))
    pages = [evaluate_table(table, tmp_path / folder, FEW) for folder in ("one", "two")]
    for name in ("index.html", "metrics.json", "figures/roc_yT0.svg", "figures/roc_yT0.pdf"):
        one, other = ((page.parent / name).read_bytes() for page in pages)
        assert one == other


def test_changing_what_training_decided_is_refused(small_run: Path) -> None:
    for override in ("evaluation.folds=4", "evaluation.calibration.kind=none"):
        with pytest.raises(RunError, match=override.split("=", maxsplit=1)[0].split(".")[1]):
            evaluate_run(small_run, config_of(small_run, override))
    assert not (small_run / "report").exists()


def test_predictions_alone_make_a_report(small_run: Path) -> None:
    for path in list(small_run.rglob("*")):
        if path.is_file() and path.name != "predictions.csv":
            path.unlink()
    told: list[str] = []
    assert evaluate_run(small_run, FEW, progress=told.append).is_file()
    assert told


def test_crossfit_says_at_the_console_in_the_page_and_in_the_record_that_it_is_optimistic(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_module, "draw_figures", lambda analysis, folder: {})
    path = small_run / "config.yaml"
    path.write_text(path.read_text().replace("mode: nested", "mode: crossfit"))
    told: list[str] = []
    config = config_of(small_run, "evaluation.bootstrap_draws=200")
    page = evaluate_run(small_run, config, progress=told.append)
    assert config.caution in told
    assert "optimistic" in config.caution
    assert "Cross-fitting is optimistic" in page.read_text()
    record = json.loads((page.parent / "metrics.json").read_text())
    assert record["caution"] == config.caution


def test_a_protocol_that_is_not_there_is_named(small_run: Path) -> None:
    path = small_run / "config.yaml"
    path.write_text(path.read_text().replace("protocol: null", "protocol: lost.yaml"))
    with pytest.raises(ConfigError, match=r"lost\.yaml"):
        evaluate_run(small_run)
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        evaluate_run(small_run, config_of(small_run, "evaluation.protocol=none.yaml"))


def external_table(folder: Path, n: int = 40, columns: tuple[str, ...] = ()) -> Path:
    rng = np.random.default_rng(5)
    prob = rng.random(n).round(6)
    label = (rng.random(n) < prob).astype(int)
    path = folder / "external.csv"
    header = ",".join(("patient_id", "yT0", "prob_yT0", *columns))
    rows = [
        ",".join([f"E{i}", str(label[i]), str(prob[i]), *("0.5" for _ in columns)])
        for i in range(n)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_rule_that_needs_no_data_gives_its_own_threshold(tmp_path: Path) -> None:
    config = EvaluationConfig(bootstrap_draws=200, operating_point=NetBenefitRule(threshold=0.6))
    analysis = analyse(read_table(external_table(tmp_path)), config)
    assert analysis.main.table is not None
    np.testing.assert_array_equal(analysis.sources.predictions.threshold["yT0"], 0.6)


@pytest.mark.parametrize("label", ["0", "1"])
def test_one_class_is_named_and_never_a_number(tmp_path: Path, label: str) -> None:
    path = tmp_path / "one.csv"
    rows = "".join(f"P{i},{label},0.{i + 1}\n" for i in range(9))
    path.write_text("patient_id,yT0,prob_yT0\n" + rows)
    page = evaluate_table(path, tmp_path / "out", FEW)
    metrics = json.loads((page.parent / "metrics.json").read_text())["heads"]["yT0"]
    assert metrics["auc"]["value"] is None
    assert metrics["auc"]["reason"] in page.read_text()


def test_two_patients_make_a_report(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("patient_id,yT0,prob_yT0,threshold_yT0\nA,0,0.2,0.5\nB,1,0.9,0.5\n")
    assert evaluate_table(path, tmp_path / "out", FEW).is_file()


def test_nothing_of_free_text_reaches_the_report(tmp_path: Path) -> None:
    path = external_table(tmp_path)
    lines = path.read_text().splitlines()
    header, rows = lines[0] + ",name,<b>column</b>", lines[1:]
    canaries = [f"{row},canary{i} <script>alert(1)</script>,x" for i, row in enumerate(rows)]
    path.write_text("\n".join([header, *canaries]) + "\n")
    page = evaluate_table(path, tmp_path / "out", FEW)
    for file in page.parent.rglob("*"):
        if file.is_file():
            assert b"canary" not in file.read_bytes(), file
    assert "<b>column</b>" not in page.read_text()


# Few different scores make ties, rare labels tiny classes; the ends of the scale have no logit or
# a very long one.
SCORES = st.sampled_from([0.5, 0.4, 0.6, 0.3, 0.1, 0.9, 1 / 3, 0.0, 1.0, 1e-300, 1 - 1e-16])
LABELS = st.sampled_from([0.0, 0.0, 1.0, np.nan])
PATIENTS = st.tuples(
    st.tuples(LABELS, LABELS),
    st.tuples(SCORES, SCORES, SCORES),
    st.sampled_from(["A", "B", ""]),
    st.integers(0, 3),
    st.sampled_from([0.5, 0.4, np.nan]),
    st.sampled_from(["", "x", "y"]),
)


def table_of(patients: list[tuple], *, folds: bool, locked: bool, joint: bool) -> Sources:
    label, scores, site, fold, threshold, grade = zip(*patients, strict=True)
    (breast_label, nodes_label), (p, other, q) = np.array(label).T, np.array(scores).T
    prob = {"yT0": p, "yN0": 1 - p + p * q, "yT0yN0": p * q} if joint else {"yT0": p}
    predictions = Predictions(
        patient_id=tuple(f"P{number}" for number in range(len(patients))),
        prob=prob,
        label={"yT0": breast_label, "yN0": nodes_label},
        site=site,
        fold=np.array(fold) if folds else None,
        uncalibrated_prob={"yT0": other},
        threshold={"yT0": np.array(threshold)} if locked else {},
        scans=tuple(("baseline.pet",) * (number % 2) for number in fold),
    )
    rival = Predictions(
        predictions.patient_id, {"yT0": other}, predictions.label, fold=predictions.fold
    )
    ages = [str(40 + number * 7 % 13) for number in range(len(patients))]
    return Sources(
        name="table",
        predictions=predictions,
        covariates=covariates_of({"age": ages, "grade": grade}),
        baselines={"one": rival, "two": rival},
    )


def alone(score: float, label: float, site: str) -> tuple:
    return (label, label), (score, score, score), site, 0, 0.5, ""


SINGLE_RESIDUAL = [alone(0.1, 1, "A"), alone(0.2, 1, "A"), alone(0.6, 1, "A"), alone(0.5, 0, "A")]
SOUND_SITE = [alone(score, score > 0.35, "B") for score in (0.1, 0.3, 0.4, 0.6, 0.9, 0.3)]


@pytest.mark.slow
@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.lists(PATIENTS, min_size=4, max_size=60), st.booleans(), st.booleans(), st.booleans())
@example(SINGLE_RESIDUAL + SOUND_SITE, False, False, False)
@example(
    [alone(0.99, 0, "A")] * 25 + [alone(0.01, 0, "B")] * 17 + [alone(0.01, 1, "B")], *[False] * 3
)
def test_no_table_is_too_degenerate_for_a_report(patients, folds, locked, joint) -> None:
    analysis = analyse(table_of(patients, folds=folds, locked=locked, joint=joint), FEW)
    page = render_report(analysis, {})
    assert ">nan<" not in page
    json.dumps(metrics_record(analysis), allow_nan=False)
    for head in analysis.heads:
        for estimate in head.metrics.values():
            assert estimate.reason or (estimate.low is not None and estimate.high is not None)


@pytest.mark.parametrize("rows", [["a,1,0.3"], ["a,1,0.3", "b,0,0.3"], ["a,,0.3", "b,1,0"]])
def test_the_smallest_tables_have_all_their_figures(tmp_path: Path, rows: list[str]) -> None:
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["patient_id,yT0,prob_yT0", *rows]) + "\n")
    assert evaluate_table(table, tmp_path / "report", FEW).is_file()
