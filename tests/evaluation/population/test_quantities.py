"""The table of measured quantities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from pcrnet.errors import RunError
from pcrnet.evaluation.population.quantities import quantity_groups, read_quantities


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "quantities.csv"
    path.write_text(text)
    return path


def test_rows_are_matched_by_patient_and_an_empty_cell_is_not_measured(tmp_path: Path) -> None:
    path = table(tmp_path, "patient_id,a.b_suv,days\nP2,1.5,-3\nP1,,7\nP3,2,8\n")
    found = read_quantities(path, ("P1", "P2"))
    np.testing.assert_array_equal(found["a.b_suv"], [np.nan, 1.5])
    np.testing.assert_array_equal(found["days"], [7.0, -3.0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("patient_id,q\nP2,1\n", "1 of 1 predicted patients have no row"),
        ("patient_id,q\nP1,1\nP1,1\n", "more than one row"),
        ("patient_id,q\nP1,high\n", "finite number or an empty cell"),
        ("patient_id,q\nP1,inf\n", "finite number or an empty cell"),
        ("patient_id,q\n", "1 of 1 predicted patients have no row"),
    ],
)
def test_another_table_is_refused_by_name(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(RunError, match=problem) as caught:
        read_quantities(table(tmp_path, text), ("P1",))
    assert "quantities.csv" in str(caught.value)
    assert "high" not in str(caught.value)


def test_each_quantity_in_responders_and_others_over_whom_it_was_measured() -> None:
    generator = np.random.default_rng(2)
    label = (generator.random(80) < 0.5).astype(float)
    values = generator.normal(size=80) - 0.8 * label
    values[:9], label[70:] = np.nan, np.nan
    ((row,),) = (group.rows for group in quantity_groups({"v.pet.x_suv": values}, label))
    known = np.isfinite(values) & np.isfinite(label)
    responders, others = (values[known & (label == k)] for k in (1, 0))
    assert (row.n, row.responders.n, row.others.n) == (known.sum(), len(responders), len(others))
    assert row.responders.median == np.median(responders)
    assert (row.others.low, row.others.high) == tuple(np.percentile(others, [25, 75]))
    pairs = mannwhitneyu(responders, others).statistic / (len(responders) * len(others))
    assert row.auc.value == pytest.approx(pairs)
    assert row.auc.value < 0.5


def test_groups_and_units_are_read_from_the_names_in_the_order_of_the_table() -> None:
    names = {
        "lesion.volume_ln_ml": ("lesion", "volume", "ln mL"),
        "baseline.pet.suvpeak_ln_suv": ("baseline, pet", "suvpeak", "ln SUV"),
        "baseline.adc.mean_1e3_mm2_s": ("baseline, adc", "mean", "10⁻³ mm²/s"),
        "interim_vs_baseline.pet.residue_ln_fraction": (
            "interim vs baseline, pet",
            "residue",
            "ln",
        ),
        "interim.days": ("interim", "days", "days"),
        "baseline.adc.p10_1e3_mm2_s": ("baseline, adc", "p10", "10⁻³ mm²/s"),
        "own": ("", "own", ""),
    }
    groups = quantity_groups(dict.fromkeys(names, np.array([1.0, 2.0])), np.array([0.0, 1.0]))
    found = {row.name: (g.title, row.label, row.unit) for g in groups for row in g.rows}
    assert found == names
    assert [g.title for g in groups][:3] == ["lesion", "baseline, pet", "baseline, adc"]


def test_what_nobody_has_is_shown_as_nothing() -> None:
    ((row,),) = (g.rows for g in quantity_groups({"q": np.full(3, np.nan)}, np.array([0, 1.0, 1])))
    assert (row.n, row.responders.median, row.auc.value) == (0, None, None)
