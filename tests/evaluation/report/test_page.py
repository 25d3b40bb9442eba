from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.analysis import analyse
from pcrnet.evaluation.report.page import Hundred, IconGroup, render_report
from pcrnet.evaluation.results import Analysis, Comparison
from pcrnet.evaluation.sources import read_run, read_table

FEW = EvaluationConfig(bootstrap_draws=200)


def page_of(analysis: Analysis) -> str:
    return render_report(analysis, {})


def test_a_page_needs_no_figure(analysis: Analysis) -> None:
    page = page_of(analysis)
    assert 'id="subgroups"' in page
    assert "<svg" in page  # the hundred women


def test_only_sections_that_are_there_are_in_the_contents(analysis: Analysis) -> None:
    assert 'href="#cases"' in page_of(analysis)
    without = replace(
        analysis, failures=(), sources=replace(analysis.sources, pictures=()), comparisons=()
    )
    page = page_of(replace(without, conditional={}))
    assert 'href="#cases"' not in page
    assert 'href="#ablations"' not in page


def test_failure_cases_come_with_their_pictures(analysis: Analysis) -> None:
    case = replace(analysis.failures[0], patient_id="P0003")
    page = page_of(replace(analysis, failures=(case,)))
    assert "data:image/png;base64," in page
    assert "PET over MR Predicted" in page
    assert "no picture" not in page
    assert "no picture" in page_of(analysis)


def test_each_way_of_estimating_says_what_it_is_worth(analysis: Analysis, small_run: Path) -> None:
    assert "Nested cross-validation with 5 folds, by patient" in page_of(analysis)
    unknown = replace(analysis, sources=replace(analysis.sources, experiment=None))
    assert "cannot be seen from it" in page_of(unknown)
    content = yaml.safe_load((small_run / "config.yaml").read_text())
    content["evaluation"]["mode"] = "crossfit"
    (small_run / "config.yaml").write_text(yaml.safe_dump(content))
    crossfit = replace(
        analysis,
        sources=replace(analysis.sources, experiment=read_run(small_run).experiment),
    )
    assert page_of(crossfit).count("Cross-fitting is optimistic") == 2
    assert "optimistic" not in page_of(analysis)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (("",), "no locked thresholds"),
        (("threshold_yT0",), "locked before these patients were predicted"),
    ],
)
def test_an_external_set_of_one_head(tmp_path: Path, columns: tuple[str], text: str) -> None:
    path = tmp_path / "external.csv"
    more = "".join(f",{name}" for name in columns if name)
    cell = ",0.5" if more else ""
    rows = "".join(f"P{i},{int(i % 3 > 0)},{0.2 + 0.02 * i:.2f}{cell}\n" for i in range(30))
    path.write_text(f"patient_id,yT0,prob_yT0{more}\n{rows}")
    page = page_of(analyse(read_table(path), FEW))
    assert text in page
    assert "All patients are one external test set" in page
    assert 'id="use"' in page


def test_text_of_others_is_escaped(analysis: Analysis) -> None:
    named = replace(
        analysis, sources=replace(analysis.sources, name="<img src=x onerror=alert(1)>")
    )
    page = page_of(named)
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_nested_environments_are_flattened(analysis: Analysis) -> None:
    environment = {"simulated": False, "packages": {"torch": "2.13"}}
    page = page_of(replace(analysis, sources=replace(analysis.sources, environment=environment)))
    assert "packages.torch" in page
    assert "Simulated data" not in page


def test_the_hundred_are_laid_out_ten_by_ten() -> None:
    groups = (IconGroup(60, "blue", False, ""), IconGroup(40, "red", True, ""))
    icons = Hundred(groups).icons
    assert len({(icon.x, icon.y) for icon in icons}) == 100
    assert {icon.fill for icon in icons} == {"blue", "none"}
    assert {icon.stroke for icon in icons} == {"red", "none"}


def test_openings_and_endpoints_are_shown(analysis: Analysis, protocol_file: Path) -> None:
    text = yaml.safe_load(protocol_file.read_text()) | {"ledger": "openings.json"}
    protocol_file.write_text(yaml.safe_dump(text))
    config = FEW.model_copy(update={"protocol": str(protocol_file)})
    page = page_of(analyse(analysis.sources, config))
    assert "Not opened" in page
    table = replace(analysis.sources, predictions=replace(analysis.sources.predictions, fold=None))
    assert "opened 1 times" not in (page := page_of(analyse(table, config)))
    assert "Openings of the locked test set" in page
    again = replace(table, digests={"predictions.csv": "1" * 64})
    assert "was opened 2 times" in page_of(analyse(again, config))


def test_an_exact_level_is_claimed_for_one_locked_threshold_alone(
    analysis: Analysis, protocol_file: Path
) -> None:
    config = FEW.model_copy(update={"protocol": str(protocol_file)})
    exact = "The limits are exact"
    assert exact not in page_of(analyse(analysis.sources, config))
    external = replace(analysis.sources.predictions, fold=None)
    page = page_of(analyse(replace(analysis.sources, predictions=external), config))
    assert exact not in page
    assert "never less than the stated level" not in page
    assert "by thresholds that differ between patients, for which no level is claimed" in page
    one = {head: np.full(len(external), 0.4) for head in external.heads}
    locked = replace(analysis.sources, predictions=replace(external, threshold=one))
    page = page_of(analyse(locked, config))
    assert exact in page
    assert "no level is claimed" not in page


def test_a_comparison_without_variance_has_no_p(analysis: Analysis) -> None:
    one = analysis.comparisons[0]
    heads = {head: replace(compared, p=None) for head, compared in one.heads.items()}
    page = page_of(replace(analysis, comparisons=(replace(one, heads=heads),)))
    assert "p not defined" in page


def test_comparisons_show_what_is_lost_and_the_test_of_all_together(analysis: Analysis) -> None:
    page = page_of(analysis)
    assert "each prediction at its own locked threshold" in page
    assert "Tested together for yT0 yN0, whether all AUCs are the same: with scans withheld" in page
    assert "on 3 degrees of freedom, p &lt; 0.001" in page
    without = replace(analysis, together={}, comparisons=bare(analysis.comparisons))
    page = page_of(without)
    assert "each prediction at its own locked threshold" not in page
    assert "Tested together" not in page


def bare(comparisons: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
    """The comparisons without thresholds."""
    return tuple(
        replace(c, heads={head: replace(h, rates={}) for head, h in c.heads.items()})
        for c in comparisons
    )
