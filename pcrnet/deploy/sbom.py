"""Bills of materials in CycloneDX 1.6: what pcrnet runs on, and what a bundle is made of.

Nothing is looked up: the libraries are those of this installation, the digests those of the
bundle. A bill holds neither times nor random names, so that the same content gives the same file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from pcrnet import __version__
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.manifest import CHECKSUMS_FILE, MODEL_FOLDER
from pcrnet.errors import PcrnetError
from pcrnet.extras import require_extra
from pcrnet.storage import read_record, sha256_json, write_text

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

_PACKAGE = "pcrnet"
_LONGEST_LICENCE = 60


def write_sbom(path: Path, bundle: Path | None = None) -> int:
    """Write the bill of a bundle, or of this installation of pcrnet.

    Args:
        path: JSON to write.
        bundle: The bundle; without it the bill is that of the package and its libraries.

    Returns:
        The number of components.

    Raises:
        ConfigError: cyclonedx-python-lib is not installed.
        PcrnetError: As :meth:`~pcrnet.deploy.bundle.Bundle.read`; or the bill would not be valid.
    """
    require_extra("sbom", "cyclonedx", purpose="a bill of materials")
    bill = _package_bill() if bundle is None else _bundle_bill(bundle)
    write_text(path, _as_json(bill))
    return len(bill.components)


def _package_bill() -> Bom:
    """pcrnet and every library that it needs, directly or not, as installed here."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import ComponentType

    needed = _needed(_PACKAGE)
    parts = {
        name: _library(name, found) for name, found in _distributions(needed) if name != _PACKAGE
    }
    own = _library(_PACKAGE, distribution(_PACKAGE), kind=ComponentType.APPLICATION)
    bill = Bom(components=parts.values())
    bill.metadata.component = own
    everything = parts | {_PACKAGE: own}
    for name, part in everything.items():
        on = [parts[other] for other in needed[name] if other in parts]
        bill.register_dependency(part, on)
    return _named(bill, sorted(f"{name}=={part.version}" for name, part in everything.items()))


def _bundle_bill(directory: Path) -> Bom:
    """The model with the digest of every file, what it learned from, and what wrote it."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType

    def digest(value: str) -> list[HashType]:
        return [HashType(alg=HashAlgorithm.SHA_256, content=value)]

    bundle = Bundle.read(directory)
    manifest = bundle.manifest
    facts = {
        "model": manifest.model.kind,
        "outcome": manifest.outcome.definition,
        "simulated": str(manifest.simulated).lower(),
        "research-only": "true",
        "timepoints": ",".join(manifest.data.timepoints),
        "channels": ",".join(manifest.data.channels),
        "covariates": ",".join(manifest.covariates),
        "digest-of": CHECKSUMS_FILE,
    }
    model = Component(
        name=manifest.name,
        version=bundle.sha256[:16],
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"bundle:{bundle.sha256}",
        hashes=digest(bundle.sha256),
        properties=[Property(name=f"pcrnet:{name}", value=value) for name, value in facts.items()],
    )
    learned = sha256_json([sorted(manifest.trained_on), manifest.splits_sha256])
    data = Component(
        name="training data",
        type=ComponentType.DATA,
        bom_ref=f"data:{learned}",
        hashes=digest(learned),
        description="SHA-256 over the marks of the training scans and the digest of the splits. "
        "The data themselves are not part of the bundle.",
        properties=[
            Property(name="pcrnet:scans", value=str(len(manifest.trained_on))),
            Property(name="pcrnet:splits-sha256", value=manifest.splits_sha256),
            Property(name="pcrnet:simulated", value=str(manifest.simulated).lower()),
        ],
    )
    files = [
        Component(
            name=name,
            type=ComponentType.FILE,
            bom_ref=f"file:{name}",
            hashes=digest(value),
            properties=[Property(name="pcrnet:role", value=_role(name))],
        )
        for name, value in read_record(directory / CHECKSUMS_FILE).items()
    ]
    writer = Component(
        name=_PACKAGE,
        version=manifest.pcrnet_version,
        type=ComponentType.LIBRARY,
        bom_ref=f"pkg:pypi/{_PACKAGE}@{manifest.pcrnet_version}",
        purl=_purl(_PACKAGE, manifest.pcrnet_version),
    )
    bill = Bom(components=[*files, data, writer])
    bill.metadata.component = model
    bill.register_dependency(model, [*files, data, writer])
    return _named(bill, [bundle.sha256])


def _role(name: str) -> str:
    folder, _, _ = name.partition("/")
    if folder == MODEL_FOLDER:
        return "weights" if name.endswith(".safetensors") else "model"
    return folder if folder != name else "description"


def _needed(package: str) -> dict[str, tuple[str, ...]]:
    """Installed library to what it requires here, from a package on with its extras."""
    from packaging.requirements import Requirement

    found: dict[str, tuple[str, ...]] = {}
    waiting = [package]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            texts = distribution(name).requires or []
        except PackageNotFoundError:  # asked for in other environments than this one
            continue
        extras = ["", *(_extras(name) if name == package else ())]
        found[name] = tuple(
            dict.fromkeys(
                _normal(each.name)
                for each in map(Requirement, texts)
                if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
            )
        )
        waiting += found[name]
    return found


def _extras(package: str) -> list[str]:
    """What may have been installed with it to run; never what is for development."""
    offered = distribution(package).metadata.get_all("Provides-Extra") or []
    return [extra for extra in offered if extra != "dev"]


def _distributions(names: Mapping[str, object]) -> Iterator[tuple[str, Distribution]]:
    for name in sorted(names):
        yield name, distribution(name)


def _normal(name: str) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _library(name: str, found: Distribution, kind: Any = None) -> Component:  # noqa: ANN401
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.spdx import is_supported_id

    version = __version__ if name == _PACKAGE else found.version
    stated = _first(found, "License-Expression") or _first(found, "License")
    licences = []
    if stated and "\n" not in stated and len(stated) <= _LONGEST_LICENCE:
        licences = [
            DisjunctiveLicense(id=stated)
            if is_supported_id(stated)
            else DisjunctiveLicense(name=stated)
        ]
    return Component(
        name=name,
        version=version,
        type=kind or ComponentType.LIBRARY,
        bom_ref=f"pkg:pypi/{name}@{version}",
        purl=_purl(name, version),
        licenses=licences,
    )


def _first(found: Distribution, field: str) -> str:
    return str(next(iter(found.metadata.get_all(field) or ()), ""))


def _purl(name: str, version: str) -> Any:  # noqa: ANN401 - packageurl has no types of its own
    from packageurl import PackageURL

    return PackageURL("pypi", None, name, version)


def _named(bill: Bom, content: list[str]) -> Bom:
    bill.serial_number = uuid5(NAMESPACE_URL, f"urn:pcrnet:{sha256_json(content)}")
    return bill


def _as_json(bill: Bom) -> str:
    from cyclonedx.output.json import JsonV1Dot6

    value = json.loads(JsonV1Dot6(bill).output_as_string())
    value["metadata"].pop("timestamp", None)
    if problem := _problem(value):
        raise PcrnetError(f"the bill of materials would not be valid: {problem}")
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _problem(value: object) -> str:
    """What the schema of CycloneDX finds wrong; "" where nothing is, or nobody can tell."""
    from cyclonedx.exception import MissingOptionalDependencyException
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    try:
        error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(value))
    except MissingOptionalDependencyException:
        return ""
    return "" if error is None else str(error)[:300]
