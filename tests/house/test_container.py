"""The container's files keep the rules of hadolint and of the Compose specification, and run.

No image is built here. Numbers in brackets are hadolint's: https://github.com/hadolint/hadolint.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from pcrnet.cli import _parser

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE = COMPOSE["services"]["pcrnet"]
SERVICE_KEYS = {
    "build", "image", "command", "ports", "volumes", "secrets", "read_only", "tmpfs", "cap_drop",
    "security_opt", "mem_limit", "pids_limit", "restart",
}  # fmt: skip
"""Those of the Compose specification (services) that are used here."""


def instructions() -> list[tuple[str, str]]:
    """Keyword and arguments of each instruction, lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line)
    ]


def stages() -> list[list[tuple[str, str]]]:
    """Instructions by stage; what stands before the first FROM is left out."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def every(keyword: str, of: list[tuple[str, str]] | None = None) -> list[str]:
    return [rest for word, rest in (instructions() if of is None else of) if word == keyword]


def test_base_images_are_named_by_version_and_can_be_named_by_digest() -> None:
    """[DL3006, DL3007]"""
    (base,) = (rest for rest in every("ARG") if rest.startswith("BASE="))
    assert re.fullmatch(r"BASE=python:3\.\d+-slim-[a-z]+", base)
    assert [rest.split()[0] for rest in every("FROM")] == ["${BASE}", "${BASE}"]


def test_the_image_runs_as_a_user_without_rights_or_home() -> None:
    """[DL3002, DL3004]"""
    final = stages()[-1]
    words = [word for word, _ in final]
    assert every("USER", final) == ["10001:10001"]
    assert "RUN" not in words[words.index("USER") :]
    (made,) = (rest for rest in every("RUN", final) if "useradd" in rest)
    assert "--uid 10001" in made
    assert "nologin" in made
    assert not any("sudo" in rest or "chmod 777" in rest for rest in every("RUN"))


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    """[DL3020, DL3021, DL3022]; nothing is downloaded by ADD."""
    assert not every("ADD")
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    names = {rest.split(" AS ")[1] for rest in every("FROM") if " AS " in rest}
    for rest in every("COPY"):
        *sources, target = rest.split()
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in names
            continue
        assert len(sources) == 1 or target.endswith("/")
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch(source.split("/")[0], pattern) for pattern in allowed), source


def test_libraries_come_by_hash_and_nothing_is_fetched_beside_pip() -> None:
    """[DL3013, DL3042, DL4001]"""
    commands = " && ".join(every("RUN"))
    installs = re.findall(r"pip install ([^;&]*)", commands)
    assert len(installs) == 3
    assert all("--no-deps" in each for each in installs)
    locked = [each for each in installs if "--require-hashes" in each]
    assert len(locked) == 1
    assert "-r lock.txt" in locked[0]
    assert "PIP_NO_CACHE_DIR=1" in " ".join(every("ENV"))
    assert not re.search(r"\b(curl|wget|apt-get|git clone)\b", commands)
    assert "pip check" in commands


def test_folders_are_absolute_and_programs_are_lists() -> None:
    """[DL3000, DL3025, DL3011]"""
    assert all(rest.startswith("/") for rest in every("WORKDIR"))
    (entry,) = every("ENTRYPOINT")
    assert isinstance(json.loads(entry), list)
    (health,) = every("HEALTHCHECK")
    probe = json.loads(health.partition("CMD")[2])
    compile(probe[2], "healthcheck", "exec")
    assert every("EXPOSE") == ["8000"]


def test_what_the_container_runs_is_a_command_of_this_version() -> None:
    program, *arguments = json.loads(every("ENTRYPOINT")[0]) + SERVICE["command"]
    assert program == "pcrnet"
    options = _parser().parse_args(arguments)
    assert (options.bundle, options.host) == (Path("/bundle"), "0.0.0.0")  # noqa: S104 - within
    assert str(options.token_file) == "/run/secrets/token"
    assert options.port == 8000


def test_only_keys_of_the_compose_specification_are_used() -> None:
    assert set(COMPOSE) == {"services", "secrets"}
    assert set(SERVICE) <= SERVICE_KEYS


def test_nothing_but_temporary_memory_can_be_written() -> None:
    assert SERVICE["read_only"] is True
    (volume,) = SERVICE["volumes"]
    assert volume["read_only"] is True
    assert volume["target"] == "/bundle"
    (memory,) = SERVICE["tmpfs"]
    place, _, settings = memory.partition(":")
    assert place == "/tmp"  # noqa: S108 - in the container
    assert {"noexec", "nosuid", "nodev"} <= set(settings.split(","))
    final = " ".join(every("ENV", stages()[-1]))
    for variable in ("HOME", "TMPDIR", "MPLCONFIGDIR"):
        assert f"{variable}=/tmp" in final


def test_the_container_has_no_rights_and_is_reached_from_this_machine_alone() -> None:
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICE["ports"])
    assert SERVICE["pids_limit"] < 1000
    assert not {"privileged", "network_mode", "pid", "devices", "cap_add"} & set(SERVICE)


def test_its_secrets_are_declared_and_a_forgotten_bundle_is_named() -> None:
    assert set(SERVICE["secrets"]) == set(COMPOSE["secrets"])
    assert SERVICE["volumes"][0]["source"].startswith("${BUNDLE:?")


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_no_secret_stands_in_the_files(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"(?i)(password|passwd|api[_-]?key|secret_key)\s*[=:]", text)
