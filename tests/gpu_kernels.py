"""Where our kernels can be tried: on a GPU, or in Triton's interpreter, in another process."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
in_interpreter = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton, which torch for GPUs brings, is not installed"
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
