"""The table of predictions and its contract."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pcrnet.errors import PredictionsError, PredictionsListError
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions, write_predictions


def coherent(n: int = 20, seed: int = 0, **more) -> Predictions:
    generator = np.random.default_rng(seed)
    cells = generator.dirichlet(np.ones(4), size=n)
    truth = np.array([generator.multinomial(1, p) for p in cells])
    columns = {
        "yT0": lambda c: c[:, 0] + c[:, 1],
        "yN0": lambda c: c[:, 0] + c[:, 2],
        "yT0yN0": lambda c: c[:, 0],
    }
    return Predictions(
        patient_id=tuple(f"P{i:03d}" for i in range(n)),
        prob={head: of(cells) for head, of in columns.items()},
        label={head: of(truth).astype(float) for head, of in columns.items()},
        **more,
    )


def table(tmp_path, text: str):
    path = tmp_path / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def same(one: Predictions, other: Predictions) -> bool:
    numbers, others = one.numbers(), other.numbers()
    return (
        one.patient_id == other.patient_id
        and one.site == other.site
        and one.scans == other.scans
        and one.other == other.other
        and numbers.keys() == others.keys()
        and all(numbers[k].tobytes() == others[k].tobytes() for k in numbers)
        and (one.fold is None) == (other.fold is None)
        and (one.fold is None or bool((one.fold == other.fold).all()))
    )


def test_table_round_trips_bit_for_bit(tmp_path):
    generator = np.random.default_rng(1)
    labels = {"yT0": np.where(generator.random(20) < 0.3, np.nan, 1.0)}
    bare = coherent()
    written = Predictions(
        patient_id=bare.patient_id,
        prob=bare.prob,
        label=labels,
        site=tuple("AB"[i % 2] for i in range(20)),
        fold=np.arange(20) % 5,
        uncalibrated_prob={"yT0": np.nextafter(generator.random(20), 1)},
        threshold={"yT0": np.where(np.arange(20) < 3, np.nan, 0.1 + 0.2)},
        scans=tuple(() if i == 4 else ("baseline.pet", "interim.adc") for i in range(20)),
        other={"grade": tuple('3, "high"' if i % 3 else "" for i in range(20))},
    )
    write_predictions(tmp_path / "p.csv", written)
    assert same(read_predictions(tmp_path / "p.csv"), written)


def test_table_of_somebody_else_may_have_one_head_and_a_byte_order_mark(tmp_path):
    text = "\ufeffpatient_id,prob_yT0,yT0,age\na, 0.5 ,1,61\nb,0.25,,58\n"
    predictions = read_predictions(table(tmp_path, text))
    assert predictions.heads == ("yT0",)
    assert predictions.fold is None
    assert predictions.other == {"age": ("61", "58")}
    np.testing.assert_array_equal(predictions.label["yT0"], [1.0, np.nan])
    assert np.isnan(predictions.label["yN0"]).all()


def test_joint_label_is_filled_in_only_where_both_parts_are_known(tmp_path):
    text = "patient_id,prob_yT0yN0,yT0,yN0\na,0.5,1,1\nb,0.5,1,0\nc,0.5,0,\nd,0.5,,1\n"
    label = read_predictions(table(tmp_path, text)).label["yT0yN0"]
    np.testing.assert_array_equal(label, [1.0, 0.0, np.nan, np.nan])


BAD_CELLS = [
    ("patient_id,prob_yT0,yT0\na,nan,1\n", "prob_yT0", "row 2: expected a number from 0 to 1"),
    ("patient_id,prob_yT0,yT0\na,0.1,1\nb,inf,0\n", "prob_yT0", "row 3"),
    ("patient_id,prob_yT0,yT0\na,1.2,1\nb,-0.1,1\n", "prob_yT0", "rows 2, 3: .* found -0.1, 1.2"),
    ("patient_id,prob_yT0,yT0\na,,1\n", "prob_yT0", "an empty cell"),
    ("patient_id,prob_yT0,yT0\na,secret,1\n", "prob_yT0", "no finite number"),
    ("patient_id,prob_yT0,yT0\na,0.1,1\nb,0.2,2\n", "yT0", r"found 2\n.*coded \{1, 2\}"),
    ("patient_id,prob_yT0,yT0\na,0.1,0\nb,0.2,2\n", "yT0", "found 2\n.*1 is complete response"),
    ("patient_id,prob_yT0\nP 1,0.1\np1,0.2\n", "patient_id", "rows 2, 3: the same patient"),
    ("patient_id,prob_yT0\n,0.1\n,0.1\n", "patient_id", "rows 2, 3: no patient is named"),
    ("patient_id,prob_yT0,fold\na,0.1,0\nb,0.1,\n", "fold", "row 3: a fold is a whole number"),
    ("patient_id,prob_yT0,fold\na,0.1,1.5\n", "fold", "row 2"),
    (f"patient_id,prob_yT0,fold\na,0.1,{'9' * 30}\n", "fold", "row 2"),
    ("patient_id,prob_yT0,threshold_yT0\na,0.1,x\n", "threshold_yT0", "row 2"),
    ("patient_id,prob_yT0,threshold_yT0\na,0.1,1.5\n", "threshold_yT0", "found 1.5"),
    ("patient_id,prob_yT0,yT0,yT0yN0\na,0.1,0,1\n", "yT0yN0", "contradicts"),
    ("patient_id,prob_yT0,yT0,yN0,yT0yN0\na,0.1,1,1,0\n", "yT0yN0", "contradicts"),
    ("patient_id,prob_yT0,prob_yT0yN0\na,0.1,0.2\n", "prob_yT0yN0", r"exceeds P\(yT0\)"),
    ("patient_id,prob_yN0,prob_yT0yN0\na,0.1,0.2\n", "prob_yT0yN0", r"exceeds P\(yN0\)"),
    (
        "patient_id,prob_yT0,prob_yN0,prob_yT0yN0\na,0.9,0.9,0.7\n",
        "prob_yT0yN0",
        "less than",
    ),
    (
        "patient_id,prob_yT0,uncalibrated_prob_yT0,uncalibrated_prob_yT0yN0\na,0.9,0.3,0.7\n",
        "uncalibrated_prob_yT0yN0",
        "exceeds",
    ),
    ("patient_id,prob_yT0,prob_pcr\na,0.1,0.1\n", "prob_pcr", "no such head"),
    ("patient_id,yT0\na,1\n", "prob_<head>", "no probability column"),
    ("prob_yT0\n0.1\n", "patient_id", "missing"),
]


@pytest.mark.parametrize(("text", "field", "problem"), BAD_CELLS)
def test_breach_is_refused_with_row_column_and_kind(tmp_path, text, field, problem):
    with pytest.raises(PredictionsListError, match=problem) as caught:
        read_predictions(table(tmp_path, text))
    assert isinstance(caught.value, PredictionsError)
    assert [p.field for p in caught.value.problems] == [field]
    assert "theirs.csv" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_all_problems_are_listed_at_once(tmp_path):
    text = "patient_id,prob_yT0,yT0,fold\na,2,1,0\nA,0.1,3,x\n"
    with pytest.raises(PredictionsListError) as caught:
        read_predictions(table(tmp_path, text))
    assert {p.field for p in caught.value.problems} == {"patient_id", "prob_yT0", "yT0", "fold"}


def test_many_rows_are_counted_not_listed(tmp_path):
    rows = "".join(f"p{i},2\n" for i in range(40))
    with pytest.raises(PredictionsListError, match=r"rows 2, 3, 4, 5, 6 and 35 more"):
        read_predictions(table(tmp_path, "patient_id,prob_yT0\n" + rows))


def test_incoherence_below_the_tolerance_is_rounding(tmp_path):
    text = "patient_id,prob_yT0,prob_yN0,prob_yT0yN0\na,0.9,0.9,0.7999995\nb,0.1,0.5,0.1000005\n"
    assert len(read_predictions(table(tmp_path, text))) == 2


def test_ragged_empty_missing_and_binary_files_are_named(tmp_path):
    with pytest.raises(PredictionsError, match="row 3: 1 cells for 2 columns"):
        read_predictions(table(tmp_path, "patient_id,prob_yT0\na,0.1\nb\n"))
    for text, problem in (("", "is empty"), ("patient_id,prob_yT0\n", "no patient")):
        with pytest.raises(PredictionsError, match=problem):
            read_predictions(table(tmp_path, text))
    with pytest.raises(PredictionsError, match="FileNotFoundError"):
        read_predictions(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\x00\xff\x81\x01")
    with pytest.raises(PredictionsError, match="not text"):
        read_predictions(tmp_path / "binary.csv")


def test_columns_of_other_length_are_refused():
    with pytest.raises(PredictionsListError, match="2 values for 1 patients"):
        Predictions(patient_id=("a",), prob={"yT0": np.array([0.1, 0.2])}, fold=np.array([0]))


def test_record_is_immutable_and_detached_from_its_source():
    prob = np.array([0.1, 0.2])
    predictions = Predictions(patient_id=("a", "b"), prob={"yT0": prob})
    prob[0] = 0.9
    assert predictions.prob["yT0"][0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        predictions.prob["yT0"][0] = 0.5


def test_select_keeps_every_column_of_a_subgroup():
    whole = coherent(
        6,
        site=tuple("ABABAB"),
        fold=np.arange(6),
        scans=tuple((f"t{i}.pet",) for i in range(6)),
        other={"age": tuple("123456")},
    )
    rows = np.array([True, False, False, True, False, False])
    part = whole.select(rows)
    assert part.patient_id == ("P000", "P003")
    assert part.site == ("A", "B")
    assert part.scans == (("t0.pet",), ("t3.pet",))
    assert part.other == {"age": ("1", "4")}
    np.testing.assert_array_equal(part.fold, [0, 3])
    np.testing.assert_array_equal(part.prob["yN0"], whole.prob["yN0"][rows])
    np.testing.assert_array_equal(part.label["yN0"], whole.label["yN0"][rows])
    assert len(coherent(6).select(rows)) == 2


def test_uncalibrated_view_drops_thresholds_locked_on_calibrated_probabilities():
    plain = coherent(5)
    assert plain.uncalibrated() is None
    both = coherent(
        5, uncalibrated_prob=coherent(5, seed=3).prob, threshold={"yT0": np.full(5, 0.5)}
    )
    before = both.uncalibrated()
    assert before is not None
    np.testing.assert_array_equal(before.prob["yT0"], both.uncalibrated_prob["yT0"])
    assert before.threshold == {}


def test_optional_columns_are_written_only_where_they_are_known(tmp_path):
    write_predictions(tmp_path / "p.csv", coherent(3))
    header = (tmp_path / "p.csv").read_text().splitlines()[0]
    assert header == "patient_id,yT0,yN0,yT0yN0,prob_yT0,prob_yN0,prob_yT0yN0"
    assert same(read_predictions(tmp_path / "p.csv"), coherent(3))


def test_text_that_a_spreadsheet_would_run_is_guarded_and_read_back_exactly(tmp_path):
    names = ("=1+1", "'=1+1", "+49 a", "-5", "@x", "'plain'")
    table = Predictions(
        patient_id=names,
        prob={"yT0": np.linspace(0, 1, 6)},
        site=names,
        other={"=note": ("=HYPERLINK()", "-cmd", "-0.5", "", "b", "c")},
    )
    write_predictions(tmp_path / "p.csv", table)
    cells = pd.read_csv(tmp_path / "p.csv", dtype=str, keep_default_na=False)
    for text in [*cells.columns, *cells.to_numpy().ravel()]:
        if text.startswith(("=", "+", "-", "@")):
            float(text)
    back = read_predictions(tmp_path / "p.csv")
    assert (back.patient_id, back.site, back.other) == (names, names, table.other)
