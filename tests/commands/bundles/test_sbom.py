from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcrnet.cli import main


@pytest.mark.parametrize("of_bundle", [False, True])
def test_the_bill_is_written_and_its_size_said(
    small_bundle: Path, tmp_path: Path, of_bundle: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bill.json"
    assert main(["sbom", *([str(small_bundle)] if of_bundle else []), "-o", str(out)]) == 0
    bill = json.loads(out.read_text())
    assert capsys.readouterr().out == f"{out}: {len(bill['components'])} components\n"
    kind = "machine-learning-model" if of_bundle else "application"
    assert bill["metadata"]["component"]["type"] == kind
