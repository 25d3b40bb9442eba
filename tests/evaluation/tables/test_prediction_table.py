"""The cells of somebody's table as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from pcrnet.errors import PredictionsListError
from pcrnet.evaluation.tables.column_map import ColumnMap
from pcrnet.evaluation.tables.prediction_table import parse_numbers, read_prediction_table
from pcrnet.evaluation.tables.predictions import read_predictions


def read(tmp_path, text, **words):
    path = tmp_path / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    return read_prediction_table(path, ColumnMap.of_words(**words))


def test_numbers_are_read_with_points_commas_and_what_is_unknown():
    found = parse_numbers(["0.5", "0,5", "−1", "1e-3", "", "NA", "NaN", ".", "x", "inf", "0,1,2"])
    wanted = [0.5, 0.5, -1, 1e-3, np.nan, np.nan, np.nan, np.nan, np.inf, np.inf, np.inf]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "cells", ["yes,no,NA", "YES,No,.", "2.0,1,NA", "pCR,RD,", "yes,no,Unknown"]
)
def test_a_positive_label_is_named_whatever_its_form(tmp_path, cells):
    one, other, unknown = cells.split(",")
    text = f"patient_id,y,prob_yT0\na,{one},0.1\nb,{other},0.2\nc,{unknown},0.3\n"
    positive = {"y": "yes", "2": "2", "p": "pcr"}[one[0].lower()]
    table = read(tmp_path, text, label=["yT0=y"], positive=positive)
    np.testing.assert_array_equal(table.label["yT0"], [1.0, 0.0, np.nan])


@pytest.mark.parametrize("scale", ["percent", "logit"])
def test_probabilities_that_are_said_to_be_something_else_are_not_converted(tmp_path, scale):
    text = "patient_id,prob_yT0\na,0.1\nb,0.5\nc,0.9\n"
    with pytest.raises(PredictionsListError, match="all its numbers lie between 0 and 1"):
        read(tmp_path, text, scale=scale)
    assert read(tmp_path, text).prob["yT0"].tolist() == [0.1, 0.5, 0.9]


@pytest.mark.parametrize(("cut", "refused"), [("0.3", True), ("30", False)])
def test_a_threshold_has_the_scale_of_the_probabilities(tmp_path, cut, refused):
    text = "patient_id,prob_yT0\na,10\nb,50\nc,90\n"
    words = {"scale": "percent", "threshold": [f"yT0={cut}"]}
    if refused:
        with pytest.raises(PredictionsListError, match="calls nearly everybody"):
            read(tmp_path, text, **words)
    else:
        assert read(tmp_path, text, **words).threshold["yT0"].tolist() == [0.3] * 3


@pytest.mark.parametrize("unknown", ["?", "Unknown", "missing", "n.a."])
def test_an_outcome_that_is_said_to_be_unknown_is(tmp_path, unknown):
    table = read(tmp_path, f"patient_id,yT0,prob_yT0\na,1,0.1\nb,{unknown},0.2\n")
    np.testing.assert_array_equal(table.label["yT0"], [1.0, np.nan])


@pytest.mark.parametrize("cell", ["-", "none"])
def test_an_outcome_that_may_be_residue_is_not_unknown(tmp_path, cell):
    table = read(tmp_path, f"patient_id,yT0,prob_yT0\na,1,0.1\nb,{cell},0.2\n")
    assert table.label["yT0"][1] == np.inf


@pytest.mark.parametrize(
    ("labels", "positive", "problem"),
    [
        (("yes", "no"), None, "the labels are words: no, yes"),
        (("ja", "nein"), None, "the labels are words, of two kinds"),
        (("1", "0"), "yes", "no label is the one named by --positive"),
        (("secret", "no", "yes"), "yes", "3 different labels"),
    ],
)
def test_labels_that_cannot_be_told_are_one_problem(tmp_path, labels, positive, problem):
    rows = "".join(f"p{i},{label},0.1\n" for i, label in enumerate(labels * 9))
    with pytest.raises(PredictionsListError, match=problem) as caught:
        read(tmp_path, "patient_id,yT0,prob_yT0\n" + rows, positive=positive)
    assert len(caught.value.problems) == 1
    assert "secret" not in str(caught.value)


def test_per_cent_and_logits_are_probabilities_once_their_scale_is_said(tmp_path):
    text = "patient_id,prob_yT0,threshold_yT0\na,{},{}\n"
    percent = read(tmp_path, text.format(25, 50), scale="percent")
    assert (percent.prob["yT0"][0], percent.threshold["yT0"][0]) == (0.25, 0.5)
    logit = read(tmp_path, text.format(-1.0986122886681098, 0), scale="logit")
    assert logit.prob["yT0"][0] == pytest.approx(0.25)
    assert logit.threshold["yT0"][0] == 0.5
    assert read(tmp_path, text.format("x", 0), scale="logit").prob["yT0"][0] == np.inf


def test_a_threshold_for_all_is_a_column_of_it(tmp_path):
    text = "patient_id,prob_yT0\na,0.1\nb,0.2\n"
    assert read(tmp_path, text, threshold=["yT0=0.4"]).threshold["yT0"].tolist() == [0.4, 0.4]
    with pytest.raises(PredictionsListError, match="yN0, which has no probabilities"):
        read(tmp_path, text, threshold=["yN0=0.4"])


@pytest.mark.parametrize(
    ("cell", "fold"), [("0", 0), ("1.0", 1), ("2,0", 2), ("1.5", -1), ("", -1)]
)
def test_folds_are_whole_numbers_in_any_form(tmp_path, cell, fold):
    table = read(tmp_path, f'patient_id,prob_yT0,fold\na,0.1,"{cell}"\n')
    assert table.fold.tolist() == [fold]


def test_unknown_sites_and_covariates_are_empty_and_names_are_not(tmp_path):
    table = read(tmp_path, "patient_id,site,prob_yT0,grade\nNA,NaN,0.1,NULL\nb,B,0.2,none\n")
    assert table.patient_id == ("NA", "b")
    assert table.site == ("", "B")
    assert table.other == {"grade": ("", "none")}


def test_a_problem_names_the_rows_of_the_file(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("# one\n# two\npatient_id,prob_yT0\na,0.1\n\nb,2\n")
    with pytest.raises(PredictionsListError, match="row 6: expected"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("values", "hint"),
    [((12, 50, 0.4), "per cent.*--scale percent"), ((-2, 1.5, 0.4), "logits.*--scale logit")],
)
def test_units_that_are_no_probabilities_are_recognised(tmp_path, values, hint):
    path = tmp_path / "theirs.csv"
    rows = "".join(f"p{i},{value}\n" for i, value in enumerate(values))
    path.write_text("patient_id,prob_yT0\n" + rows)
    with pytest.raises(PredictionsListError, match=f"(?s)these look like {hint}"):
        read_predictions(path)


@pytest.mark.parametrize("other", ["Ｐ1", "p 1", "P\u200b1", "P1\u00ad"])
def test_spellings_of_one_patient_are_one_patient(tmp_path, other):
    path = tmp_path / "theirs.csv"
    path.write_text(f"patient_id,prob_yT0\nP1,0.1\n{other},0.2\n", encoding="utf-8")
    with pytest.raises(PredictionsListError, match="rows 2, 3: the same patient"):
        read_predictions(path)


def test_a_name_with_characters_that_nobody_sees_is_refused(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("patient_id,prob_yT0\nP\u200b1,0.1\nP2,0.2\n", encoding="utf-8")
    with pytest.raises(PredictionsListError, match="row 2: the name holds characters"):
        read_predictions(path)


def test_the_patients_who_stand_in_several_rows_are_one_problem(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("patient_id,prob_yT0\n" + "".join(f"P{i // 2},0.1\n" for i in range(40)))
    with pytest.raises(PredictionsListError) as caught:
        read_predictions(path)
    assert len(caught.value.problems) == 1


def test_numbers_of_no_known_unit_get_no_guess(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("patient_id,prob_yT0\na,250\nb,700\n")
    with pytest.raises(PredictionsListError, match="leave patients without a prediction") as caught:
        read_predictions(path)
    assert "look like" not in str(caught.value)


def test_per_cent_signs_say_the_scale_of_a_column(tmp_path):
    text = "patient_id;prob_yT0;prob_yN0\na;8,5 %;5%\nb;100\u00a0%;0.2\nc;NA;0.3\n"
    for scale in ("probability", "percent"):
        table = read(tmp_path, text, scale=scale)
        np.testing.assert_array_equal(table.prob["yT0"], [0.085, 1.0, np.nan])
        assert table.prob["yN0"][0] == np.inf  # some bear it and some do not
