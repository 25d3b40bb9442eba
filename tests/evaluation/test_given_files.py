"""What a report is given beside the predictions is read before anything rests on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.errors import ConfigError
from pcrnet.evaluation.analysis import evaluate_table
from pcrnet.evaluation.given_files import require_given_files


@pytest.mark.parametrize("name", ["protocol", "answers"])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    config = EvaluationConfig.model_validate({name: str(tmp_path / "nowhere.yaml")})
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        require_given_files(config)
    require_given_files(EvaluationConfig())


def test_a_locked_test_set_is_not_opened_for_a_report_that_cannot_be_written(
    trial_run: Path, protocol_file: Path, tmp_path: Path
) -> None:
    text = yaml.safe_load(protocol_file.read_text()) | {"ledger": "openings.json"}
    protocol_file.write_text(yaml.safe_dump(text))
    table = Path(shutil.copy(trial_run / "predictions.csv", tmp_path / "external.csv"))
    table.write_text(table.read_text().replace(",fold,", ",split,", 1))
    files = {"protocol": str(protocol_file), "answers": str(tmp_path / "nowhere.yaml")}
    with pytest.raises(ConfigError, match="nowhere"):
        evaluate_table(table, tmp_path / "out", EvaluationConfig.model_validate(files))
    assert not (protocol_file.parent / "openings.json").exists()
