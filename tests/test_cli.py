from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pcrnet import __version__
from pcrnet.cli import main
from pcrnet.evaluation.tables.predictions import read_predictions
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.volume import Volume

ROOT = Path(__file__).parents[1]
COMMANDS = ("train", "check", "convert", "kinetics", "import", "simulate", "predict", "evaluate")


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "pcrnet.cli", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["pcrnet", __version__])


def test_help_is_told_before_anything_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from pcrnet.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'pytorch_lightning', 'monai', 'matplotlib', 'SimpleITK', 'wandb'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: pcrnet {command}" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"pcrnet {__version__}\n"


NO_TABLE = "{tmp}/nowhere.csv"
BAD = {
    "unknown key": (["train", "training.max_epoch=3"], "did you mean training.max_epochs"),
    "bad value": (["train", "training.max_epochs=0"], "training.max_epochs"),
    "dashed override": (["train", "--training.max_epochs=zero"], "training.max_epochs"),
    "no such config": (["train", "{tmp}/nowhere.yaml"], "nowhere.yaml"),
    "neither": (["train", "fast"], "section.key=value"),
    "no cohort to train": (["train", f"data.cohort={NO_TABLE}", "run.root={tmp}"], "nowhere.csv"),
    "no cohort to check": (["check", NO_TABLE], "nowhere.csv"),
    "no bundle": (["predict", "{tmp}", NO_TABLE, "-o", "{tmp}/p.csv"], "checksums.json"),
    "no run": (["evaluate", "{tmp}/nowhere"], "nowhere"),
    "nothing to evaluate": (["evaluate", "--out", "{tmp}/out"], "name one thing to evaluate"),
    "a bundle beside a table": (
        ["evaluate", "--predictions", "{tmp}/p.csv", "--out", "{tmp}/o", "--bundle", "{tmp}/b"],
        "field --bundle: plays no part where a table is evaluated",
    ),
    "another folder for a run": (
        ["evaluate", "{tmp}", "--out", "{tmp}/o"],
        "field --out: plays no part where a run",
    ),
    "nowhere to write": (["evaluate", "--predictions", "{tmp}/p.csv"], "--out"),
    "no predictions": (
        ["evaluate", "--predictions", "{tmp}/nowhere.csv", "--out", "{tmp}/out"],
        "nowhere.csv",
    ),
    "too small a trial": (["simulate", "{tmp}/trial", "--patients", "3"], "--patients"),
    "an endless name": (["import", "bids", "n" * 300, "{tmp}/out"], "File name too long"),
    "no series": (["convert", "{tmp}/nowhere", "{tmp}/out.nii.gz", "--as", "pet"], "error"),
}


@pytest.mark.parametrize(("arguments", "told"), BAD.values(), ids=BAD)
def test_bad_input_ends_with_a_message_and_exit_code_2(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    code = main([argument.format(tmp=tmp_path) for argument in arguments])
    shown = capsys.readouterr()
    assert code == 2
    assert "error:" in shown.err
    assert told in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_every_problem_of_a_table_is_listed_and_no_path_of_a_cell(
    tiny_trial, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tiny_trial.cohort.read_text().splitlines()
    faulty = tiny_trial.cohort.with_name("faulty.csv")
    gone = lines[1].replace(f"{tiny_trial.canary}_0_baseline_pet", f"{tiny_trial.canary}_gone")
    faulty.write_text("\n".join([lines[0], gone, lines[2], lines[2]]) + "\n")
    options = ["data.branches={pet: [pet], mri: [t2, adc]}"]
    assert main(["check", str(faulty), *options]) == 2
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert "row 2" in text
    assert "row 4" in text
    assert f"{tiny_trial.canary}_" not in text  # what a cell holds; columns left aside are named
    assert str(tiny_trial.cohort.parent) not in text


def test_a_sound_table_passes_the_check(tiny_trial, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["data.branches={pet: [pet], mri: [t2, adc]}", "data.covariates=[age, grade]"]
    assert main(["check", str(tiny_trial.cohort), *options]) == 0
    shown = capsys.readouterr()
    assert "20" in shown.out
    assert tiny_trial.canary not in shown.err


def test_the_check_of_other_visits_ends_with_settings_that_can_be_pasted(
    tiny_trial, capsys: pytest.CaptureFixture[str]
) -> None:
    """On one line: the table above it is wrapped to the width of the terminal."""
    table = pd.read_csv(tiny_trial.cohort, dtype=str, keep_default_na=False)
    one_visit = tiny_trial.cohort.with_name("one_visit.csv")
    table[[name for name in table if not name.startswith("interim")]].to_csv(one_visit, index=False)
    assert main(["check", str(one_visit)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    settings = shlex.split(last.partition("these settings fit the table: ")[2])
    assert main(["check", str(one_visit), *settings]) == 0
    capsys.readouterr()


def test_options_of_another_command_are_refused() -> None:
    with pytest.raises(SystemExit) as end:
        main(["predict", "bundle", "cohort.csv", "-o", "p.csv", "--training.max_epochs=3"])
    assert end.value.code == 2


def test_predictions_name_who_was_refused(
    finished_run, tiny_trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "predictions.csv"
    assert main(["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n"
    assert f"refused: patient {tiny_trial.left_out}" in shown.err
    assert "warning: 1 of 20 patients have no prediction" in shown.err
    assert tiny_trial.canary not in shown.err + out.read_text()
    assert "warning: 19 of the patients took part in training" in shown.err


PLACES = {
    "a folder": ("{tmp}", "it is a folder"),
    "below a file": ("{tmp}/file/p.csv", "a file stands where a folder is needed"),
    "another format": ("{tmp}/p.xlsx", "ends in .csv or .json"),
    "no format": ("{tmp}/p", "ends in .csv or .json"),
}


@pytest.mark.parametrize(("place", "told"), PLACES.values(), ids=PLACES)
def test_where_predictions_cannot_go_is_told_before_anything_is_computed(
    place: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = place.format(tmp=tmp_path)
    # There is no bundle: the destination is looked at first.
    assert main(["predict", str(tmp_path / "no-bundle"), NO_TABLE, "-o", out]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


UNWRITABLE = {
    "check": ["check", NO_TABLE, "--pictures", "{file}/sheets"],
    "convert": ["convert", "{tmp}", "{file}/a.nii.gz", "--as", "pet"],
    "kinetics": ["kinetics", "{tmp}", "{file}"],
    "simulate": ["simulate", "{file}/trial", "--patients", "10"],
    "import": ["import", "bids", "{tmp}", "{file}/out"],
    "evaluate": ["evaluate", "--predictions", "{tmp}/p.csv", "--out", "{file}/out"],
    "train": ["train", "run.root={file}"],
}


@pytest.mark.parametrize("arguments", UNWRITABLE.values(), ids=UNWRITABLE)
def test_an_output_below_a_file_is_refused_by_every_command(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    (tmp_path / "file").touch()
    places = {"tmp": tmp_path, "file": tmp_path / "file"}
    assert main([argument.format(**places) for argument in arguments]) == 2
    assert "a file stands where a folder is needed" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_named(
    finished_run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for device in ("cuda:99", "cude", "cuda:-1", "meta", ""):
        options = ["-o", str(tmp_path / "p.csv"), "--device", device]
        assert main(["predict", str(finished_run.bundle), NO_TABLE, *options]) == 2
        assert "there is no such device; there are: cpu" in capsys.readouterr().err


def test_predictions_as_json_hold_what_the_table_holds(
    finished_run, tiny_trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o"]
    for name in ("p.csv", "p.json"):
        assert main([*start, str(tmp_path / name)]) == 0
    capsys.readouterr()
    table = pd.read_csv(tmp_path / "p.csv", float_precision="round_trip")
    objects = pd.DataFrame(json.loads((tmp_path / "p.json").read_text()))
    assert list(objects) == list(table)
    objects["scans"] = [";".join(scans) for scans in objects["scans"]]
    pd.testing.assert_frame_equal(objects, table, check_dtype=False, check_exact=True)


def test_predictions_go_to_a_stream_and_nothing_else_does(finished_run, tiny_trial) -> None:
    program = "import sys; from pcrnet.cli import main; sys.exit(main())"
    arguments = ["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o", "/dev/stdout"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    table = pd.read_csv(io.StringIO(done.stdout))
    assert set(table["patient_id"]) == set(tiny_trial.patients)


def test_the_record_of_predictions_pins_bundle_table_and_cohort(
    finished_run, tiny_trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.csv"
    start = ["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o", str(out)]
    assert main(start) == 0
    digest = sha256((finished_run.bundle / "checksums.json").read_bytes()).hexdigest()
    assert f"bundle sha256: {digest}" in capsys.readouterr().err
    record = json.loads((tmp_path / "p.csv.record.json").read_text())
    assert record["bundle_sha256"] == digest
    assert record["predictions_sha256"] == sha256(out.read_bytes()).hexdigest()
    assert record["cohort_sha256"] == sha256(tiny_trial.cohort.read_bytes()).hexdigest()
    assert record["pcrnet"] == __version__
    out.unlink()
    assert main([*start, "--bundle-sha256", digest.upper()]) == 0
    capsys.readouterr()
    out.unlink()
    assert main([*start, "--bundle-sha256", "0" * 64]) == 2
    assert digest in capsys.readouterr().err
    assert not out.exists()


@pytest.fixture
def other_patients(tiny_trial, tmp_path: Path) -> Path:
    """A cohort like the tiny trial's, whose scans are a little brighter: other patients."""
    folder = tmp_path / "others"
    folder.mkdir()
    for path in tiny_trial.cohort.parent.glob("*.nii.gz"):
        array, affine = read_nifti(path)
        write_nifti(Volume(1.01 * array, affine, "arbitrary"), folder / path.name)
    return Path(shutil.copy(tiny_trial.cohort, folder))


def test_patients_of_the_training_are_no_external_validation(
    finished_run, tiny_trial, other_patients: Path, tmp_path: Path, capsys
) -> None:
    """One known scan is enough, whatever the patient and the file are called."""
    others = pd.read_csv(other_patients, dtype=str, keep_default_na=False)
    trained = pd.read_csv(tiny_trial.cohort, dtype=str, keep_default_na=False)
    shutil.copy(
        tiny_trial.cohort.parent / trained["baseline.t2"][0], tmp_path / "others" / "new.nii.gz"
    )
    others.loc[1, "baseline.t2"] = "new.nii.gz"
    others["patient_id"] = [f"other-{i}" for i in range(len(others))]
    others.to_csv(other_patients, index=False)
    out = tmp_path / "external"
    options = ["--bundle", str(finished_run.bundle), "--cohort", str(other_patients)]
    assert main(["evaluate", *options, "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "1 of the patients took part in training this bundle: other-1" in told
    assert not out.exists()


def test_a_bundle_and_a_cohort_make_an_external_validation(
    finished_run, other_patients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "external"
    bundle, cohort = str(finished_run.bundle), str(other_patients)
    options = ["--bundle", bundle, "--cohort", cohort, "--out", str(out)]
    assert main(["evaluate", *options, "evaluation.bootstrap_draws=200"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == f"report: {out / 'index.html'}"
    assert main(["predict", bundle, cohort, "-o", str(tmp_path / "p.csv")]) == 0
    assert (tmp_path / "p.csv").read_bytes() == (out / "predictions.csv").read_bytes()
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["folds"] is None
    assert metrics["bundle"]["definition"] == "ypT0"
    assert len(metrics["bundle"]["sha256"]) == 64
    # One patient has too few scans and is in no figure: the report says so.
    assert 'id="flow"' in (out / "index.html").read_text()
    assert (out / "figures" / "flow.svg").is_file()
    mix = {row["label"]: row for row in metrics["validation"]["case_mix"]}
    assert int(mix["patients"]["validation"]) == len(read_predictions(out / "predictions.csv"))
    predictions = read_predictions(out / "predictions.csv")
    for head, found in metrics["heads"].items():
        known = np.isfinite(predictions.label[head])
        label, prob = predictions.label[head][known], predictions.prob[head][known]
        assert found["auc"]["value"] == pytest.approx(roc_auc_score(label, prob))
        assert found["sensitivity"]["n"] == label.sum()


def test_a_cohort_without_outcomes_is_refused_before_anything_is_predicted(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = small_bundle / "golden" / "cohort.csv"
    options = ["--bundle", str(small_bundle), "--cohort", str(table)]
    assert main(["evaluate", *options, "--out", str(tmp_path / "out")]) == 2
    assert "no outcome of its patients is known" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tables_of_repeats_are_judged_together(
    finished_run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(finished_run.directory / "predictions.csv")
    again = tmp_path / "again.csv"
    again.write_bytes(Path(table).read_bytes())
    options = ["--predictions", table, "--predictions", str(again), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *options, "evaluation.bootstrap_draws=200"]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["repeats"] == 2
    capsys.readouterr()


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_a_script_refuses_bad_input_with_exit_code_2(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / script), str(tmp_path / "nowhere"), "run.nam=x"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
