import csv

from pcrnet.training.trackers.csv_sink import CURVES_FILE, METRICS_FILE, CsvSink


def _rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_number_is_a_row_and_a_run_that_continues_goes_on_below(tmp_path):
    sink = CsvSink(tmp_path)
    sink.begin(["without-0-1"])
    sink.log("without-0-1", "epoch", 1, {"loss": 0.1, "gradient_norm": 3.0})
    sink.close(failed=True)
    again = CsvSink(tmp_path)
    again.log("without-0-1", "step", 4, {"lr": 0.5})
    rows = _rows(tmp_path / CURVES_FILE)
    assert rows[0] == {
        "group": "fold-0",
        "fit": "without-0-1",
        "axis": "epoch",
        "at": "1",
        "name": "loss",
        "value": "0.1",
    }
    assert [(row["name"], row["at"]) for row in rows] == [
        ("loss", "1"),
        ("gradient_norm", "1"),
        ("lr", "4"),
    ]


def test_a_row_that_was_cut_does_not_spoil_the_next(tmp_path):
    CsvSink(tmp_path).log("without-0", "epoch", 1, {"loss": 0.5})
    path = tmp_path / CURVES_FILE
    path.write_text(path.read_text() + "fold-0,with")
    CsvSink(tmp_path).log("without-0", "epoch", 2, {"loss": 0.25})
    assert _rows(path)[-1]["value"] == "0.25"


def test_the_final_metrics_are_a_table(tmp_path):
    sink = CsvSink(tmp_path)
    sink.summarise({"yT0/auc": 0.75})
    sink.attach("bundle", tmp_path)
    assert _rows(tmp_path / METRICS_FILE) == [{"name": "yT0/auc", "value": "0.75"}]
