"""A lock file without torch and what it brings along for CUDA: python without_cuda.py serve.txt"""

from __future__ import annotations

import sys
from pathlib import Path

_LEFT_OUT = ("torch==", "nvidia-", "cuda-", "triton==")


def without_cuda(lock: str) -> str:
    """The entries of a lock file, each with its hashes, that a CPU needs besides torch."""
    kept: list[str] = []
    keep = True
    for line in lock.splitlines(keepends=True):
        if not line[0].isspace():
            keep = not line.startswith(_LEFT_OUT)
        kept += [line] if keep else []
    return "".join(kept)


if __name__ == "__main__":
    sys.stdout.write(without_cuda(Path(sys.argv[1]).read_text(encoding="utf-8")))
