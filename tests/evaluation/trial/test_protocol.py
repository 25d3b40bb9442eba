from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pcrnet.errors import ConfigError
from pcrnet.evaluation.trial.protocol import read_protocol


def change(path: Path, **values: object) -> Path:
    content = yaml.safe_load(path.read_text()) | values
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_protocol_reads_back_in_the_order_of_testing(protocol_file: Path) -> None:
    protocol = read_protocol(protocol_file)
    assert [endpoint.analysis for endpoint in protocol.coprimary] == ["interim", "baseline"]
    assert protocol.coprimary[0].nulls.sensitivity == 0.7
    assert protocol.ledger is None


def test_the_ledger_lies_beside_the_protocol(protocol_file: Path) -> None:
    protocol = read_protocol(change(protocol_file, ledger="openings.json"))
    assert protocol.ledger == protocol_file.parent / "openings.json"


def test_an_unknown_key_is_named(protocol_file: Path) -> None:
    with pytest.raises(ConfigError, match="alfa"):
        read_protocol(change(protocol_file, alfa=0.05))


def test_an_endpoint_must_name_an_analysis_of_the_protocol(protocol_file: Path) -> None:
    with pytest.raises(ConfigError, match="'presurgical', which is not among baseline, interim"):
        read_protocol(change(protocol_file, secondary=[{"head": "yT0", "analysis": "presurgical"}]))


def test_the_assumed_accuracy_must_beat_the_null(protocol_file: Path) -> None:
    both = {"sensitivity": 0.8, "specificity": 0.7}
    endpoint = {"head": "yT0", "analysis": "interim", "nulls": both, "assumed": both}
    with pytest.raises(ConfigError, match="above the null"):
        read_protocol(change(protocol_file, coprimary=[endpoint]))


def test_a_table_outside_the_run_is_refused(protocol_file: Path) -> None:
    analyses = {"interim": {"timepoints": ["baseline"], "table": "../other/predictions.csv"}}
    with pytest.raises(ConfigError, match="table"):
        read_protocol(change(protocol_file, analyses=analyses))
