"""Golden cases that cannot be those of the bundle are noticed, although the sums agree."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.errors import IntegrityError
from pcrnet.storage import sha256_file


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


def reseal(bundle: Path, name: str) -> None:
    sums = json.loads((bundle / "checksums.json").read_text())
    sums[name] = sha256_file(bundle / name)
    (bundle / "checksums.json").write_text(json.dumps(sums))


def alter_json(bundle: Path, name: str, change: Callable[[dict], object]) -> None:
    value = json.loads((bundle / name).read_text())
    change(value)
    (bundle / name).write_text(json.dumps(value))
    reseal(bundle, name)


def alter_table(bundle: Path, name: str, change: Callable[[list[dict]], list[dict]]) -> None:
    path = bundle / name
    with path.open(newline="") as stream:
        rows = change(list(csv.DictReader(stream)))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    reseal(bundle, name)


def without(*columns: str) -> Callable[[list[dict]], list[dict]]:
    return lambda rows: [{k: v for k, v in row.items() if k not in columns} for row in rows]


ANSWERS = {
    "a head is missing": without("prob_yN0", "uncalibrated_prob_yN0"),
    "what was before calibration is missing": without(
        *(f"uncalibrated_prob_{head}" for head in ("yT0", "yN0", "yT0yN0"))
    ),
    "thresholds are missing": without("threshold_yT0", "threshold_yT0yN0"),
    "another threshold": lambda rows: [{**row, "threshold_yT0": "0.45"} for row in rows],
    "a case is missing": lambda rows: rows[:-1],
    "other names": lambda rows: [{**row, "patient_id": f"x{n}"} for n, row in enumerate(rows)],
}


@pytest.mark.parametrize("change", ANSWERS.values(), ids=ANSWERS)
def test_answers_with_less_to_compare_are_refused(bundle: Path, change: Callable) -> None:
    alter_table(bundle, "golden/expected.csv", change)
    with pytest.raises(IntegrityError, match="golden"):
        load_predictor(bundle)


INPUTS = {
    "no case": lambda v: v.clear(),
    "nothing is shown": lambda v: v.update(dict.fromkeys(v)),
    "a case is missing": lambda v: v.popitem(),
    "a case is a list": lambda v: v.update({name: [] for name in v}),
    "no scans": lambda v: v["golden-complete"].update(scans={}),
    "scans are lists": lambda v: v["golden-complete"].update(scans=[]),
    "an unknown scan": lambda v: v["golden-complete"]["scans"].update({"a.b": [0.0] * 5}),
    "a moment is missing": lambda v: v["golden-complete"]["scans"]["baseline.pet"].pop(),
    "moments of text": lambda v: v["golden-complete"]["scans"].update({"baseline.pet": ["1"] * 5}),
    "moments beyond belief": lambda v: v["golden-complete"]["scans"].update(
        {"baseline.pet": [1e300] * 5}
    ),
    "no quantities": lambda v: v["golden-complete"].pop("quantities"),
    "no centre": lambda v: v["golden-complete"].update(centre_mm=[]),
}


@pytest.mark.parametrize("change", INPUTS.values(), ids=INPUTS)
def test_inputs_that_describe_nothing_are_refused(bundle: Path, change: Callable) -> None:
    alter_json(bundle, "golden/inputs.json", change)
    with pytest.raises(IntegrityError, match="golden"):
        load_predictor(bundle)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"unit": "SUL"}', '{"unit": 1}'])
def test_a_phantom_whose_unit_cannot_be_read_is_refused(bundle: Path, text: str) -> None:
    name = "golden/complete_baseline_pet.json"
    (bundle / name).write_text(text)
    reseal(bundle, name)
    with pytest.raises(IntegrityError):
        load_predictor(bundle)


@pytest.mark.parametrize("change", [lambda rows: rows[:2], lambda rows: rows[::-1]])
def test_a_table_of_other_cases_is_refused(bundle: Path, change: Callable) -> None:
    alter_table(bundle, "golden/cohort.csv", change)
    with pytest.raises(IntegrityError, match="cohort"):
        load_predictor(bundle)


def test_a_threshold_that_was_moved_in_the_manifest_is_noticed(bundle: Path) -> None:
    alter_json(bundle, "bundle.json", lambda m: m["operating_points"].update(yT0=0.51))
    with pytest.raises(IntegrityError, match="threshold of yT0"):
        load_predictor(bundle)


def test_a_phantom_that_is_no_image_is_refused_as_damage(bundle: Path) -> None:
    name = "golden/complete_baseline_pet.nii.gz"
    (bundle / name).write_bytes(b"no image")
    reseal(bundle, name)
    with pytest.raises(IntegrityError, match="golden"):
        load_predictor(bundle)
