"""Bills of materials are valid by the published schema, and what they say is there."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pcrnet.deploy.manifest import bundle_digest
from pcrnet.deploy.sbom import write_sbom
from pcrnet.errors import ConfigError, PcrnetError


def bill_of(path: Path, bundle: Path | None = None) -> dict:
    count = write_sbom(path, bundle)
    text = path.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert len(bill["components"]) == count
    return bill


def test_the_package_stands_with_every_library_that_it_needs(tmp_path: Path) -> None:
    bill = bill_of(tmp_path / "bill.json")
    found = {part["name"]: part for part in bill["components"]}
    for name in ("torch", "numpy", "pydicom", "safetensors", "scipy", "sympy"):
        assert found[name]["version"] == version(name)
        assert found[name]["purl"].startswith(f"pkg:pypi/{name}@")
    assert not {"pytest", "mypy", "ruff"} & set(found)
    edges = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    own = bill["metadata"]["component"]
    assert own["name"] == "pcrnet"
    assert found["torch"]["bom-ref"] in edges[own["bom-ref"]]
    # Every library is reached from the package.
    reached, waiting = set(), [own["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += edges[ref]
    assert reached == {own["bom-ref"], *(part["bom-ref"] for part in found.values())}


def test_a_bundle_stands_with_the_digest_of_every_file(small_bundle: Path, tmp_path: Path) -> None:
    bill = bill_of(tmp_path / "bill.json", small_bundle)
    model = bill["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": bundle_digest(small_bundle)}]
    files = {part["name"]: part for part in bill["components"] if part["type"] == "file"}
    on_disk = {
        path.relative_to(small_bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in small_bundle.rglob("*")
        if path.is_file() and path.name != "checksums.json"
    }
    assert {name: part["hashes"][0]["content"] for name, part in files.items()} == on_disk
    roles = {name: part["properties"][0]["value"] for name, part in files.items()}
    assert roles["model/network-0.safetensors"] == "weights"
    assert roles["golden/expected.csv"] == "golden"
    (data,) = [part for part in bill["components"] if part["type"] == "data"]
    facts = {each["name"]: each["value"] for each in data["properties"]}
    assert facts["pcrnet:simulated"] == "true"


@pytest.mark.parametrize("of_bundle", [False, True])
def test_the_same_content_gives_the_same_file(
    small_bundle: Path, tmp_path: Path, of_bundle: bool
) -> None:
    for name in ("a", "b"):
        write_sbom(tmp_path / name, small_bundle if of_bundle else None)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_no_bundle_has_no_bill(tmp_path: Path) -> None:
    with pytest.raises(PcrnetError):
        write_sbom(tmp_path / "bill.json", tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcrnet.extras.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pcrnet\[sbom\]"):
        write_sbom(tmp_path / "bill.json")
