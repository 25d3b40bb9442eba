import sys

import pytest

from pcrnet.errors import ConfigError
from pcrnet.training.trackers.tensorboard_sink import TensorBoardSink


def test_tensorboard_reads_the_curves_of_every_fit(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sink = TensorBoardSink(tmp_path)
    sink.begin(["without-0-1"])
    for epoch, loss in ((1, 0.75), (2, 0.5)):
        sink.log("without-0-1", "epoch", epoch, {"loss": loss})
    sink.log("without-0-1", "step", 7, {"lr-AdamW": 0.25})
    sink.summarise({"yT0/auc": 0.875})
    sink.attach("bundle", tmp_path)
    sink.close(failed=False)

    def read(place, name):
        found = EventAccumulator(str(tmp_path / place)).Reload()
        return [(event.step, event.value) for event in found.Scalars(name)]

    assert read("fold-0/without-0-1", "loss") == [(1, 0.75), (2, 0.5)]
    assert read("fold-0/without-0-1", "by step/lr-AdamW") == [(7, 0.25)]
    assert read("metrics", "yT0/auc") == [(0, 0.875)]


def test_where_it_is_not_installed_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError) as caught:
        TensorBoardSink(tmp_path)
    assert "pcrnet[tensorboard]" in caught.value.remedy
