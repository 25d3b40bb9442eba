"""``trials.csv``: one row a trial, one column a searched key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pcrnet.csv_text import csv_of_records
from pcrnet.storage import write_text
from pcrnet.sweeps.folder.records import FinishedTrial
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.plan.space import json_of, searched_keys

COLUMNS = ("trial", "state", "value", "fits", "seconds")


def write_table(path: Path, sweep: Sweep, finished: Sequence[FinishedTrial]) -> None:
    """Write the trials that are finished, in the order in which they were proposed."""
    keys = searched_keys(sweep.space)
    records = (
        {
            "trial": trial.proposal.trial,
            "state": trial.result.state,
            "value": "" if trial.value is None else repr(trial.value),
            "fits": trial.result.fits,
            "seconds": f"{trial.result.seconds:.3f}",
            **{
                key: shown(trial.proposal.values[key]) if key in trial.proposal.values else ""
                for key in keys
            },
        }
        for trial in finished
    )
    write_text(path, csv_of_records([*COLUMNS, *keys], records))


def shown(value: object) -> str:
    """A value as it is written in a configuration."""
    return value if isinstance(value, str) else json_of(value)
