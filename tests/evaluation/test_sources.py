from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pcrnet.errors import PcrnetError, PredictionsError, RunError
from pcrnet.evaluation.population.patients import NumericCovariate
from pcrnet.evaluation.sources import read_run, read_table
from pcrnet.evaluation.tables.column_map import ColumnMap
from pcrnet.storage import sha256_file


def test_a_run_is_read_whole(trial_run: Path) -> None:
    sources = read_run(trial_run)
    assert sources.name == "trial"
    assert sources.simulated
    assert len(sources.predictions) == 460
    assert set(sources.ablations) == {"without_interim", "without_mri", "without_pet"}
    assert set(sources.baselines) == {"clinical"}
    assert [step.n for step in sources.flow] == [478, 466, 460]
    assert sources.pictures[0].png.startswith(b"\x89PNG")
    assert sources.digests["predictions.csv"] == sha256_file(trial_run / "predictions.csv")
    assert sources.experiment is not None
    assert sources.experiment.run.name == "trial"


def test_predictions_alone_are_enough(small_run: Path) -> None:
    for path in list(small_run.rglob("*")):
        if path.is_file() and path.name != "predictions.csv":
            path.unlink()
    sources = read_run(small_run)
    assert not sources.simulated
    assert sources.experiment is None
    assert (sources.covariates, sources.flow, sources.pictures) == ((), (), ())


def test_a_missing_or_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match="has not finished"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("flow.json", "{", "is not JSON"),
        ("flow.json", '[{"step": "a"}]', "list of"),
        ("flow.json", '[{"step": "a", "n": "many"}]', "list of"),
        ("flow.json", "[3]", "list of"),
        ("environment.json", "[]", "JSON object"),
        ("pictures/pictures.json", '[{"file": "P0003.png"}]', "list of"),
        ("pictures/pictures.json", "3", "list of"),
        ("config.yaml", "data: {cohorts: x}", "unknown key"),
    ],
)
def test_a_damaged_file_is_named(small_run: Path, file: str, text: str, message: str) -> None:
    (small_run / file).write_text(text)
    with pytest.raises(PcrnetError, match=message) as caught:
        read_run(small_run)
    assert file.rsplit("/", maxsplit=1)[-1] in str(caught.value)


@pytest.mark.parametrize("file", ["../flow.json", "none.png", "pictures.json", "/etc/hostname"])
def test_a_picture_must_be_a_png_inside_its_folder(small_run: Path, file: str) -> None:
    entry = {"file": file, "patient_id": "P0003", "title": "t", "caption": "c"}
    (small_run / "pictures" / "pictures.json").write_text(json.dumps([entry]))
    with pytest.raises(RunError, match="no PNG in this folder"):
        read_run(small_run)


def test_an_ablation_of_other_patients_is_refused(small_run: Path) -> None:
    path = small_run / "ablations" / "without_pet.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(RunError, match="other patients"):
        read_run(small_run)


def test_a_table_brings_its_covariates_along(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    rows = "".join(f"P{i},{i % 2},0.{i + 1},{40 + i}\n" for i in range(9))
    path.write_text("patient_id,yT0,prob_yT0,age\n" + rows)
    sources = read_table(path)
    (age,) = sources.covariates
    assert isinstance(age, NumericCovariate)
    assert sources.name == "theirs"
    patients = tmp_path / "patients.csv"
    patients.write_text(
        "patient_id,grade\n" + "".join(f"P{i},{2 + i % 2}\n" for i in reversed(range(12)))
    )
    beside = read_table(path, patients)
    # Of nine women only five share grade 2: the others are too few to be shown by value.
    assert [covariate.name for covariate in beside.covariates] == ["grade"]
    assert set(beside.digests) == {"theirs.csv", "patients.csv"}
    patients.write_text("patient_id,grade\nP1,2\n")
    with pytest.raises(PredictionsError, match="no row"):
        read_table(path, patients)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[::-1], "other patients"),
        (lambda table: table.assign(yT0=1 - table["yT0"], yN0=0, yT0yN0=0), "other outcomes"),
        (lambda table: table.drop(columns=["prob_yN0"]), "other patients or outcomes"),
    ],
)
def test_a_repeat_of_other_patients_or_outcomes_is_refused(
    small_run: Path, tmp_path: Path, change, message: str
) -> None:
    first = small_run / "predictions.csv"
    again = tmp_path / "again.csv"
    change(pd.read_csv(first, dtype={"yT0": "Int64"})).to_csv(again, index=False)
    with pytest.raises(RunError, match=message):
        read_table(first, repeats=[again])


def test_a_run_without_its_last_repeat_has_not_finished(small_run: Path) -> None:
    config = small_run / "config.yaml"
    config.write_text(config.read_text().replace("repeats: 1", "repeats: 2"))
    with pytest.raises(RunError, match="has not finished"):
        read_run(small_run)


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("patient_id,prob_yT0\na,0.1\n", "no outcome is known", "--label yT0=COLUMN"),
        ("patient_id,yT0,prob_yT0\na,NA,0.1\n", "no outcome is known", "--label yT0=COLUMN"),
        ("patient_id,pCR,prob_yT0\na,1,0.1\n", "did you mean pCR", "--label yT0=pCR"),
        ("patient_id,yN0,prob_yT0\na,1,0.1\n", "outcomes of yN0 are known", "--label yT0"),
    ],
)
def test_a_table_that_says_of_nobody_what_came_of_it_is_refused(
    tmp_path: Path, text: str, problem: str, remedy: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(PredictionsError, match=problem) as caught:
        read_table(path)
    assert remedy in caught.value.remedy


def test_repeats_are_read_by_the_same_columns(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("case;pCR;score\na;no;0,1\nb;yes;0,7\n")
    columns = ColumnMap.of_words(identifier="case", prob=["score"], label=["pCR"], positive="yes")
    found = read_table(path, repeats=[path], columns=columns)
    assert found.repeats[0].prob["yT0yN0"].tolist() == [0.1, 0.7]
    assert found.predictions.label["yT0yN0"].tolist() == [0.0, 1.0]
    assert len(found.remarks) == 2


@pytest.mark.parametrize(
    ("about", "kept"),
    [({"factors": [0.0, 0.5]}, (0.0, 0.5)), ({"quantities": 3}, ()), (None, ())],
)
def test_what_the_bundle_says_of_its_network_is_read(
    small_run: Path, about: object, kept: tuple[float, ...]
) -> None:
    assert read_run(small_run).kept == ()
    (small_run / "bundle").mkdir()
    (small_run / "bundle" / "bundle.json").write_text(json.dumps({"about": about}))
    assert read_run(small_run).kept == kept


@pytest.mark.parametrize("factors", [0.5, ["half"], [None]])
def test_a_bundle_whose_factors_are_no_numbers_is_named(small_run: Path, factors: object) -> None:
    (small_run / "bundle").mkdir()
    (small_run / "bundle" / "bundle.json").write_text(json.dumps({"about": {"factors": factors}}))
    with pytest.raises(RunError, match="list of numbers") as caught:
        read_run(small_run)
    assert "about.factors" in str(caught.value)


def test_what_stands_beside_a_prediction_is_not_proposed_as_its_outcome(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("patient_id,prob_yT0,low_yT0,near_threshold\na,0.4,0,\nb,0.6,1,yT0\n")
    with pytest.raises(PredictionsError, match="no outcome is known") as caught:
        read_table(path)
    assert "did you mean" not in str(caught.value)


def test_what_stands_beside_a_prediction_is_no_covariate(tmp_path):
    table = tmp_path / "predictions.csv"
    rows = [
        f"P{n},{n % 2},0.{n % 9 + 1},0.{n % 9},0.9,yT0,a.pet: too bright,{40 + n % 12}"
        for n in range(40)
    ]
    header = "patient_id,yT0,prob_yT0,low_yT0,high_yT0,near_threshold,unlike_training,age"
    table.write_text("\n".join([header, *rows]) + "\n")
    assert [covariate.name for covariate in read_table(table).covariates] == ["age"]


def test_what_is_told_of_what_ships_in_another_form_is_named(small_run: Path) -> None:
    path = small_run / "decisions.json"
    path.write_text(json.dumps({"shipped": {"yT0": {"noise": 1}}}))
    with pytest.raises(RunError, match="what is known of each outcome"):
        read_run(small_run)
