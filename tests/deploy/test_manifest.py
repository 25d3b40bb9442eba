"""What a bundle says of itself is believed only where every file is what was written."""

import hashlib
import json
import shutil

import pytest

from pcrnet.deploy.manifest import (
    CHECKSUMS_FILE,
    MANIFEST_FILE,
    MAX_SCANS,
    MAX_VALUES,
    SIGNATURE_FILE,
    bundle_digest,
    read_manifest,
    read_patients,
)
from pcrnet.errors import BundleError, IntegrityError, ProblemListError


@pytest.fixture
def bundle(finished_run, tmp_path):
    return shutil.copytree(finished_run.bundle, tmp_path / "bundle")


def rewrite(bundle, change):
    """Alter the manifest as an attacker would who corrects the sums as well."""
    path, sums = bundle / MANIFEST_FILE, bundle / CHECKSUMS_FILE
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    held = json.loads(sums.read_text())
    held[MANIFEST_FILE] = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(json.dumps(held))


def test_it_is_what_the_file_says(bundle):
    found = read_manifest(bundle)
    record = json.loads((bundle / MANIFEST_FILE).read_text())
    assert found.model_dump(mode="json") == record
    assert found.name == record["name"]


def test_the_digest_is_that_of_the_sums_and_a_signature_changes_none(bundle):
    expected = hashlib.sha256((bundle / CHECKSUMS_FILE).read_bytes()).hexdigest()
    (bundle / SIGNATURE_FILE).write_text("{}")
    assert bundle_digest(bundle) == expected
    read_manifest(bundle)


def test_a_file_that_was_altered_added_or_taken_away_is_named(bundle):
    card = next(path for path in bundle.iterdir() if path.suffix == ".md")
    text = card.read_bytes()
    card.write_bytes(text + b" ")
    with pytest.raises(IntegrityError, match=f"{card.name} differs from what was written"):
        read_manifest(bundle)
    card.unlink()
    with pytest.raises(IntegrityError, match=f"{card.name} is missing"):
        read_manifest(bundle)
    card.write_bytes(text)
    (bundle / "model" / "more.bin").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"model/more.bin is in the bundle, but was not"):
        read_manifest(bundle)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.update(format=3), "format"),
        (lambda record: record["operating_points"].pop("yN0"), "an operating point, or null"),
        (lambda record: record["operating_points"].update(yN0=1.5), "operating_points.yN0"),
        (lambda record: record["imaging"].update(size=[2048, 2048, 2048]), f"{MAX_VALUES} at most"),
        (
            lambda record: record["data"].update(
                timepoints=[f"t{number}" for number in range(MAX_SCANS)]
            ),
            f"{MAX_SCANS} at most",
        ),
    ],
)
def test_what_no_bundle_says_is_refused_although_the_sums_are_right(bundle, change, says):
    rewrite(bundle, change)
    with pytest.raises(BundleError, match=says) as caught:
        read_manifest(bundle)
    assert caught.value.file == str(bundle)


def test_a_folder_of_anything_else_is_no_bundle(tmp_path):
    for ask in (read_manifest, bundle_digest):
        with pytest.raises(BundleError, match=CHECKSUMS_FILE):
            ask(tmp_path)


def test_patients_are_read_with_what_the_bundle_asks_for(finished_run, tiny_trial, tmp_path):
    manifest = read_manifest(finished_run.bundle)
    found = read_patients(tiny_trial.cohort, manifest)
    with tiny_trial.cohort.open() as stream:
        assert len(found) == sum(1 for line in stream if line.strip()) - 1
    assert set(found[0].covariates) == set(manifest.covariates)
    table = tmp_path / "cohort.csv"
    table.write_text("patient_id\nP1\n")
    with pytest.raises(ProblemListError):
        read_patients(table, manifest)
