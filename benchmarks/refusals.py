"""Which pairs of visits registration believes, on real scans changed in known ways.

python benchmarks/refusals.py [--data DIR] [--engine greedy] [--out FILE.json]

Each scan of the STS cohort (T1, PET), of UCSF-BR-08 and of CMB-CRC is paired with itself moved by
up to 15 mm and 6°, noisy and with other shading (to be accepted); the same turned half round about
the long axis; with its front flattened to half as supine against prone; and with another patient's
(all to be refused). Where a crop shows no air before the body, flattening cannot be seen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from harness import describe_machine, publish
from perturbed_pairs import cropped, flatten, later_visit, middle_mm, read_breast, rigid, undo

from pcrnet.config.imaging import RigidAlignment
from pcrnet.errors import RegistrationError
from pcrnet.imaging import Volume, read_volume
from pcrnet.imaging.registration.likeness import front_difference_mm, prepare_scan
from pcrnet.imaging.registration.rigid import register

SEED = 4
FIELD_MM = 12.0


def read_groups(data: Path) -> dict[str, dict[str, Volume]]:
    """Group to name to scan; other patients are looked for within a group."""
    cohort = sorted((data / "sts_petmr_cohort").glob("STS_*"))
    crc = data / "cmb_crc_two_timepoints"
    return {
        "STS T1": {p.name: read_volume(p / "MR_T1_image.nii.gz", "t1") for p in cohort},
        "STS PET": {p.name: read_volume(p / "PET_image.nii.gz", "pet") for p in cohort},
        "UCSF DCE": {name: read_breast(data, name) for name in ("dce_pre", "dce_early")},
        "CMB T2": {
            name: read_volume(crc / f"{name}_t2_image.zip", "t2")
            for name in ("SCAN_002", "SCAN_001")
        },
    }


def pairs(groups: dict[str, dict[str, Volume]]) -> Iterator[tuple[str, str, str, Volume, Volume]]:
    """Group, name, what was done, and the two visits."""
    rng = np.random.default_rng(SEED)
    for group, scans in groups.items():
        names = list(scans)
        wall = 0.6 if group == "CMB T2" else 0.5
        for number, (name, scan) in enumerate(scans.items()):
            direction = rng.normal(size=3)
            shift = direction * rng.uniform(3, 15) / np.linalg.norm(direction)
            middle = middle_mm(scan)
            move = undo(rigid(shift, rng.uniform(-6, 6, 3), middle))
            turn = undo(rigid(np.zeros(3), np.array([0.0, 0.0, 180.0]), middle))
            changes = {
                "moved": [move],
                "moved, front pressed by a twentieth": [flatten(scan, 0.95, wall), move],
                "turned half round": [turn, move],
                "front pressed to half": [flatten(scan, 0.5, wall), move],
            }
            first = cropped(scan, FIELD_MM)
            for what, ways in changes.items():
                later = cropped(later_visit(scan, *ways, seed=number), FIELD_MM)
                yield group, name, what, first, later
            if group.startswith("STS"):
                other = scans[names[(number + 1) % len(names)]]
                affine = other.affine.copy()
                affine[:3, 3] += middle - middle_mm(other)
                yield group, name, "another patient", first, Volume(other.array, affine, other.unit)
    first, later = groups["CMB T2"].values()
    yield "CMB T2", "both visits", "as acquired, four months apart", first, later


def shows_front(scan: Volume) -> bool:
    """Whether enough air is seen before the body."""
    prepared = prepare_scan(scan)
    return bool(np.isfinite(front_difference_mm(prepared, prepared, np.eye(4))))


def judge(data: Path, limits: RigidAlignment) -> dict[str, object]:
    """How many pairs were refused and accepted rightly, and those that were not."""
    counts: dict[str, dict[str, int]] = {}
    wrong = []
    for group, name, change, first, later in pairs(read_groups(data)):
        what = change
        expected = "refused" if "half" in what or "another" in what else "accepted"
        if change == "front pressed to half" and not shows_front(first):
            what, expected = f"{change}, front not in the field", "either"
        try:
            found, reason = "accepted", f"front {register(first, later, limits).front_mm:.0f} mm"
        except RegistrationError as error:
            found, reason = "refused", error.problem
        count = counts.setdefault(f"{group}: {what}", {"accepted": 0, "refused": 0})
        count[found] += 1
        if found != expected != "either":
            wrong.append(f"{group} {name}, {what}: {found} ({reason})")
        print(f"{group} {name}, {what}: {found} ({reason})", file=sys.stderr, flush=True)
    return {"counts": counts, "wrong": wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--engine", choices=("simpleitk", "greedy"), default="simpleitk")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    limits = RigidAlignment(engine=options.engine, on_failure="refuse")
    result = judge(options.data, limits)
    about = {"machine": describe_machine(), "engine": options.engine, "seed": SEED}
    publish(about | result, options.out)


if __name__ == "__main__":
    main()
