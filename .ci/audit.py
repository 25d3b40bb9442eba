"""Known vulnerabilities of what is locked, by pip-audit; says so where its service cannot be asked.

    python .ci/audit.py locks/run.txt locks/serve.txt

A package that the service does not know is reported as not looked at, and never as sound. Ends with
1 where a vulnerability is known, and with 0 otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys

_OPTIONS = ("--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off")


def audit(lock: str) -> bool:
    """Whether nothing is known against what a lock file names."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", lock, *_OPTIONS, "--timeout", "30"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"{lock}: SKIPPED, the service cannot be asked: {why[:200]}")
        return True
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        print(f"{lock}: SKIPPED, the service knows none of {len(packages)} packages")
        return True
    found = [(p["name"], p["version"], v) for p in asked for v in p["vulns"]]
    for name, version, known in found:
        better = ", ".join(known["fix_versions"]) or "none yet"
        print(f"{lock}: {name} {version}: {known['id']}, mended in {better}")
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    print(f"{lock}: {len(asked)} packages looked at, {len(found)} vulnerabilities known")
    if unknown:
        print(f"{lock}: not looked at: {', '.join(unknown)}")
    return not found


def main() -> int:
    """Look at every lock file; returns the exit code."""
    sound = [audit(lock) for lock in sys.argv[1:]]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
