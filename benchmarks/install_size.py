"""What an extra adds to an installation: packages that the core does not need, and their bytes.

python benchmarks/install_size.py [--extra sweep] [--out FILE.json]

Of what is installed here, by the requirements that packages state themselves. Compiled Python
(``__pycache__``), which pip adds and uv does not, is told apart.
"""

from __future__ import annotations

import argparse
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from harness import describe_machine, publish
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def stated(package: str, extras: frozenset[str]) -> list[str]:
    """What a package asks for; pcrnet by its own file, since an installation may be older."""
    if package != "pcrnet":
        return distribution(package).requires or []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"] + [
        each for extra in sorted(extras) for each in project["optional-dependencies"][extra]
    ]


def closure(extras: frozenset[str]) -> set[str]:
    """Names of all packages that pcrnet needs with some extras."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [("pcrnet", extras)]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        try:
            needs = map(Requirement, stated(*here))
        except PackageNotFoundError:  # of another platform
            continue
        found.add(here)
        for needed in needs:
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in here[1] | {""}):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return {package for package, _ in found if package != "pcrnet"}


def megabytes(package: str) -> dict[str, float]:
    """On disk: as it comes, and the compiled Python that pip adds."""
    places = [Path(str(each.locate())) for each in distribution(package).files or []]
    there = [place for place in places if place.is_file()]
    compiled = sum(p.stat().st_size for p in there if "__pycache__" in p.parts)
    every = sum(p.stat().st_size for p in there)
    return {"as_it_comes": (every - compiled) / 1e6, "compiled": compiled / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", default="sweep")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    core = closure(frozenset())
    more = closure(frozenset({options.extra})) - core
    sizes = {name: megabytes(name) for name in sorted(more)}
    publish(
        {
            "machine": describe_machine(),
            "extra": options.extra,
            "megabytes": {
                kind: round(sum(each[kind] for each in sizes.values()), 1)
                for kind in ("as_it_comes", "compiled")
            },
            "packages": {
                name: {kind: round(value, 2) for kind, value in each.items()}
                for name, each in sizes.items()
            },
        },
        options.out,
    )


if __name__ == "__main__":
    main()
