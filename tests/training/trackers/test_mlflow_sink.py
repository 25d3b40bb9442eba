import sys

import pytest

from pcrnet.errors import ConfigError
from pcrnet.training.trackers.mlflow_sink import MlflowSink


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return tmp_path / "mlflow"


def test_mlflow_reads_a_run_with_a_nested_run_for_each_fit(store, tmp_path):
    from mlflow import MlflowClient

    sink = MlflowSink(store, "pcrnet", "tiny", {"training": {"max_epochs": 2}})
    sink.begin(["without-0-1"])
    sink.log("without-0-1", "epoch", 1, {"loss": 0.75})
    sink.log("without-0-1", "epoch", 2, {"loss": 0.5})
    sink.summarise({"yT0/auc": 0.875})
    kept = tmp_path / "bundle"
    kept.mkdir()
    (kept / "bundle.json").write_text("{}")
    sink.attach("bundle", kept)
    sink.close(failed=False)

    client = MlflowClient(tracking_uri=store.as_uri())
    experiment = client.get_experiment_by_name("pcrnet")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    (fit,) = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert parent.data.metrics == {"yT0/auc": 0.875}
    assert parent.data.params == {"training.max_epochs": "2"}
    assert parent.info.status == fit.info.status == "FINISHED"
    assert [item.path for item in client.list_artifacts(parent.info.run_id)] == ["bundle"]
    assert fit.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert fit.data.tags["group"] == "fold-0"
    history = client.get_metric_history(fit.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.75), (2, 0.5)]
    # Neither the user's name nor the script's path, which MLflow's global state would add.
    assert set(parent.data.tags) <= {"mlflow.runName"}


def test_where_it_is_not_installed_the_extra_is_named(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError) as caught:
        MlflowSink(store, "pcrnet", "tiny", {})
    assert "pcrnet[mlflow]" in caught.value.remedy
