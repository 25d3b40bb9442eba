"""Where our kernels can be tried: on a GPU, in Triton's interpreter or compiler."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
with_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: there is none for this machine"
)


def interpreted(script: str) -> str:
    """What a script prints whose kernels run in the interpreter; it is chosen before the import."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
