"""MLflow: a run with a nested run for each fit."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pcrnet.errors import ConfigError
from pcrnet.training.trackers.sink import Axis, group_of

_PARENT = "mlflow.parentRunId"
_NAME = "mlflow.runName"


class MlflowSink:
    """Talks to the server of ``MLFLOW_TRACKING_URI``, or to a folder of the run.

    The client is used and not MLflow's global state, which would add the user's name, the script's
    path and the command to every run.

    Args:
        folder: Of a store of files, where no server is named.
        experiment: MLflow's experiment.
        name: Of the run.
        config: Settings that may be shown.

    Raises:
        ConfigError: mlflow is not installed, or the server does not answer.
    """

    def __init__(self, folder: Path, experiment: str, name: str, config: Mapping[str, Any]) -> None:
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise ConfigError(
                "mlflow is not installed",
                field="tracking.loggers",
                remedy='pip install "pcrnet[mlflow]", or leave it out',
            ) from error
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if uri is None:
            # A folder that lies in the run already; MLflow asks for this word for it since 3.7.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            folder.mkdir(parents=True, exist_ok=True)
            uri = folder.resolve().as_uri()
        try:
            self._client: Any = MlflowClient(tracking_uri=uri)
            known = self._client.get_experiment_by_name(experiment)
            self._experiment = (
                self._client.create_experiment(experiment) if known is None else known.experiment_id
            )
            self._run = self._start({_NAME: name})
            for key, value in _flat(config):
                self._client.log_param(self._run, key, value)
        except (MlflowException, OSError) as error:
            raise ConfigError(
                f"MLflow does not take the run ({type(error).__name__})",
                field="tracking.loggers",
                remedy="check MLFLOW_TRACKING_URI, or leave mlflow out",
            ) from error
        self._fits: dict[str, str] = {}

    def begin(self, fits: Sequence[str]) -> None:
        """Nothing: the run of a fit begins at its first number."""

    def log(self, fit: str, axis: Axis, at: int, values: Mapping[str, float]) -> None:
        """Log to the fit's own run."""
        if fit not in self._fits:
            tags = {_NAME: fit, _PARENT: self._run, "group": group_of(fit)}
            self._fits[fit] = self._start(tags)
        for name, value in values.items():
            key = name if axis == "epoch" else f"by_step/{name}"
            self._client.log_metric(self._fits[fit], key, value, step=at)

    def summarise(self, values: Mapping[str, float]) -> None:
        """Log the final metrics to the run itself."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value)

    def attach(self, name: str, path: Path) -> None:
        """Keep a file or a folder with the run."""
        if path.is_dir():
            self._client.log_artifacts(self._run, str(path), name)
        else:
            self._client.log_artifact(self._run, str(path))

    def close(self, *, failed: bool) -> None:
        """End the run and those of its fits."""
        for run in (*self._fits.values(), self._run):
            self._client.set_terminated(run, "FAILED" if failed else "FINISHED")

    def _start(self, tags: Mapping[str, str]) -> str:
        begun = int(time.time() * 1000)
        run = self._client.create_run(self._experiment, begun, dict(tags), tags[_NAME])
        return str(run.info.run_id)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", str(value)[:500]))
    return found
