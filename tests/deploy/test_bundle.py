from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.manifest import bundle_digest
from pcrnet.errors import BundleError, IntegrityError, PcrnetError
from pcrnet.storage import sha256_file

WEIGHTS = "model/network-0.safetensors"


@pytest.fixture
def bundle(finished_run, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(finished_run.bundle, tmp_path / "bundle"))


def reseal(bundle: Path, *names: str) -> None:
    """Write new digests, as somebody would who wants an altered file to be believed."""
    path = bundle / "checksums.json"
    digests = json.loads(path.read_text())
    path.write_text(json.dumps(digests | {name: sha256_file(bundle / name) for name in names}))


def edit_manifest(bundle: Path, change: Callable[[dict], object]) -> None:
    path = bundle / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    reseal(bundle, "bundle.json")


def test_a_bundle_holds_the_model_that_learned_from_everybody(bundle: Path, finished_run) -> None:
    read = Bundle.read(bundle)
    assert json.loads(json.dumps(read.manifest.about)) == read.model.describe()
    shipped = finished_run.directory / "folds" / "with-all" / "model"
    for path in (path for path in shipped.rglob("*") if path.is_file()):
        assert (bundle / "model" / path.relative_to(shipped)).read_bytes() == path.read_bytes()
    assert read.manifest.units == {"pet": "SUVbw", "t2": "arbitrary", "adc": "1e-3 mm2/s"}
    assert read.manifest.covariates == ("age", "grade")


def test_every_kind_of_file_in_a_bundle_is_plain_data(bundle: Path) -> None:
    kinds = {"".join(path.suffixes) for path in bundle.rglob("*") if path.is_file()}
    assert kinds == {".json", ".safetensors", ".csv", ".nii.gz", ".md"}
    starts = [path.read_bytes()[:2] for path in bundle.rglob("*") if path.is_file()]
    assert b"PK" not in starts  # torch.save writes a zip of pickles
    assert not any(start[:1] == b"\x80" for start in starts)


def test_a_bundle_knows_neither_paths_nor_patients_of_its_cohort(bundle: Path, tiny_trial) -> None:
    content = b"\n".join(path.read_bytes() for path in bundle.rglob("*") if path.is_file())
    for word in (*tiny_trial.patients, tiny_trial.left_out, tiny_trial.canary, "centre 1"):
        assert word.encode() not in content
    assert str(tiny_trial.cohort.parent).encode() not in content


@pytest.mark.parametrize(
    "name",
    [WEIGHTS, "bundle.json", "golden/expected.csv", "model_card.md", "model/start/ridge.json"],
)
def test_a_flipped_bit_is_refused(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=f"{name} differs"):
        Bundle.read(bundle)


def test_a_file_that_was_added_is_refused(bundle: Path) -> None:
    (bundle / "model" / "extra.pt").write_bytes(b"\x80\x04.")
    with pytest.raises(IntegrityError, match=r"model/extra\.pt is in the bundle"):
        Bundle.read(bundle)


def test_a_second_table_of_checksums_below_is_refused(bundle: Path) -> None:
    (bundle / "model" / "checksums.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"model/checksums\.json"):
        Bundle.read(bundle)


def test_a_missing_file_is_refused(bundle: Path) -> None:
    (bundle / WEIGHTS).unlink()
    with pytest.raises(IntegrityError, match=f"{WEIGHTS} is missing"):
        Bundle.read(bundle)


def test_a_name_that_leads_out_of_the_bundle_is_refused(bundle: Path) -> None:
    outside = bundle.parent / "outside.json"
    outside.write_text("{}")
    reseal(bundle, "../outside.json")
    with pytest.raises(IntegrityError, match="outside"):
        Bundle.read(bundle)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_the_name_of_the_tensor(
    bundle: Path, value: float
) -> None:
    state = load_file(bundle / WEIGHTS)
    state["head.linear.bias"] = torch.full((3,), value)
    save_file(state, bundle / WEIGHTS)
    reseal(bundle, WEIGHTS)
    with pytest.raises(IntegrityError, match=r"head\.linear\.bias"):
        Bundle.read(bundle)


def test_weights_of_another_network_are_refused(bundle: Path) -> None:
    save_file({"head.linear.bias": torch.zeros(3)}, bundle / WEIGHTS)
    reseal(bundle, WEIGHTS)
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        Bundle.read(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(format=1),
        lambda manifest: manifest.update(loader="os.system"),
        lambda manifest: manifest.pop("calibrator"),
        lambda manifest: manifest["model"]["encoder"].update(kind="resnet1000"),
        lambda manifest: manifest["calibrator"].update(kind="pickle"),
        lambda manifest: manifest["calibrator"].update(slopes=[-1.0, 1.0, 1.0]),
    ],
    ids=["format", "unknown key", "missing key", "encoder", "calibrator", "negative slope"],
)
def test_a_manifest_that_this_version_does_not_know_is_refused(
    bundle: Path, change: Callable[[dict], object]
) -> None:
    edit_manifest(bundle, change)
    with pytest.raises(BundleError):
        Bundle.read(bundle)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"bundle.json": 3}', "\x00"])
def test_a_damaged_table_of_checksums_is_refused(bundle: Path, text: str) -> None:
    (bundle / "checksums.json").write_text(text)
    with pytest.raises(PcrnetError):
        Bundle.read(bundle)


def test_a_manifest_that_is_no_json_is_refused(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("{")
    reseal(bundle, "bundle.json")
    with pytest.raises(PcrnetError):
        Bundle.read(bundle)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"checksums\.json"):
        Bundle.read(tmp_path)


IMPOSSIBLE = {
    "another kind of model": lambda m: m.update(model={"kind": "clinical"}),
    "no kind of model": lambda m: m.update(model={"kind": "charm"}),
    "another start": lambda m: m["model"].update(start="frequencies"),
    "no networks": lambda m: m["model"].update(networks=0),
    "a wide token": lambda m: m["model"].update(width=10**8),
    "a deep fusion": lambda m: m["model"]["fusion"].update(depth=10**9),
    "a wide stem": lambda m: m["model"]["encoder"].update(stem_width=10**9),
    "a huge grid": lambda m: m["imaging"].update(size=[2**20] * 3),
    "a grid of text": lambda m: m["imaging"].update(size=["8", "8", "8"]),
    "many visits": lambda m: m["data"].update(timepoints=[f"t{i}" for i in range(10**5)]),
    "no visit": lambda m: m["data"].update(timepoints=[]),
    "a threshold of two": lambda m: m["operating_points"].update(yT0=2.0),
    "a missing threshold": lambda m: m["operating_points"].pop("yT0"),
    "a lost covariate": lambda m: m.update(covariates=[]),
    "a calibrator of lists": lambda m: m.update(calibrator={"kind": [[]]}),
    "a calibrator of text": lambda m: m["calibrator"].update(slopes=["1", "1", "1"]),
    "an endless number": lambda m: m["model"].update(width=10**4000),
    "a list of a manifest": lambda m: m.update(data=[m["data"]]),
}


@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_resealed_bundle_that_describes_the_impossible_is_refused_at_once(
    bundle: Path, change: Callable[[dict], object]
) -> None:
    edit_manifest(bundle, change)
    start = time.process_time()
    with pytest.raises(PcrnetError) as caught:
        Bundle.read(bundle)
    assert time.process_time() - start < 5.0
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text",
    ["[" * 10**5, '{"a":' * 10**5, "[]", "null", '{"a": 1, "a": 2}', '{"factors": 1e999}', "\xff"],
)
@pytest.mark.parametrize("name", ["bundle.json", "model/start/ridge.json", "checksums.json"])
def test_a_resealed_record_that_is_no_record_is_refused(bundle: Path, name: str, text: str) -> None:
    (bundle / name).write_bytes(text.encode("latin-1"))
    if name != "checksums.json":
        reseal(bundle, name)
    with pytest.raises(PcrnetError):
        Bundle.read(bundle)


def test_the_digest_is_what_any_tool_gives_and_changes_with_any_file(bundle: Path) -> None:
    before = bundle_digest(bundle)
    assert before == hashlib.sha256((bundle / "checksums.json").read_bytes()).hexdigest()
    assert Bundle.read(bundle).sha256 == before
    (bundle / "model_card.md").write_text("Good for everybody.")
    reseal(bundle, "model_card.md")
    Bundle.read(bundle)  # sums inside the folder protect against accidents only
    assert bundle_digest(bundle) != before
