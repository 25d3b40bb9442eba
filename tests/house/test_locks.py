"""The lock files hold what is declared, each file by its hash, and no address."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = DECLARED["optional-dependencies"]
LOCKS = {
    "run": DECLARED["dependencies"],
    "serve": [*DECLARED["dependencies"], *EXTRAS["serve"], *EXTRAS["sr"], *EXTRAS["sign"]],
    "dev": DECLARED["dependencies"],
}
REMEDY = "make lock"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> dict[str, list[tuple[str, int]]]:
    """Package to its versions (by platform), each with the number of its hashes."""
    found: dict[str, list[tuple[str, int]]] = {}
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    for block in re.split(r"\n(?=\S)", text.strip()):
        name, version = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", block).groups()
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block)
        assert len(hashes) == block.count("--hash")
        found.setdefault(normal(name), []).append((version, len(hashes)))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_of_every_package_has_its_hash(lock: str) -> None:
    found = entries(lock)
    assert len(found) > 60
    assert all(count > 0 for versions in found.values() for _, count in versions)


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_declared_is_locked_in_a_version_that_is_allowed(lock: str) -> None:
    found = entries(lock)
    for text in LOCKS[lock]:
        wanted = Requirement(text)
        assert normal(wanted.name) in found, (wanted.name, REMEDY)
        for version, _ in found[normal(wanted.name)]:
            assert wanted.specifier.contains(Version(version)), (wanted.name, REMEDY)


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_agree_with_the_versions_that_are_tested(lock: str) -> None:
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    tested = {normal(name): version for name, version in tested.items()}
    for name, versions in entries(lock).items():
        for version, _ in versions:
            assert tested.get(name, version) == version, (name, REMEDY)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_is_written_down(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"index|find-links|@ file", text)


def test_without_cuda_the_rest_is_there() -> None:
    spec = importlib.util.spec_from_file_location("without_cuda", ROOT / "locks/without_cuda.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    whole = (ROOT / "locks" / "serve.txt").read_text()
    rest = module.without_cuda(whole)
    gone = set(re.findall(r"^([\w.-]+)==", whole, re.M)) - set(
        re.findall(r"^([\w.-]+)==", rest, re.M)
    )
    assert {"torch", "triton"} <= gone
    assert all(re.match("torch$|triton$|nvidia-|cuda-", name) for name in gone)
    assert "fastapi==" in rest
    assert rest.count("--hash") < whole.count("--hash")
