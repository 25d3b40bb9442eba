"""What a report is given beside the predictions: the protocol, and answers of the investigators."""

from __future__ import annotations

from pathlib import Path

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.report.answers import read_answers
from pcrnet.evaluation.trial.protocol import read_protocol


def require_given_files(config: EvaluationConfig) -> None:
    """Read them before hours of work rest on them, and before a locked test set is opened.

    Raises:
        ConfigError: One of them cannot be read.
    """
    if config.protocol is not None:
        read_protocol(Path(config.protocol))
    if config.answers is not None:
        read_answers(Path(config.answers))
