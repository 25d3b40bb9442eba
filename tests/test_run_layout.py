"""The layout of a run is what its contract says, and is spelled out in one place."""

import ast
from pathlib import Path

import pytest

from pcrnet.run_layout import VARIANT_KINDS, ReportLayout, RunLayout

_SOURCES = Path(__file__).parents[1] / "pcrnet"
_RUN = RunLayout(Path("runs/trial"))
_PATHS = {
    name: path
    for layout in (_RUN, ReportLayout(Path("out")))
    for name in dir(type(layout))
    if isinstance(path := getattr(layout, name), Path)
}


def test_the_files_that_others_rely_on_lie_where_the_contract_says():
    promised = {
        "config": "config.yaml",
        "environment": "environment.json",
        "splits": "splits.json",
        "folds": "folds",
        "predictions": "predictions.csv",
        "bundle": "bundle",
    }
    assert {name: _RUN.name_of(getattr(_RUN, name)) for name in promised} == promised
    assert _RUN.name_of(_RUN.report.page) == "report/index.html"
    assert _RUN.name_of(_RUN.report.metrics) == "report/metrics.json"


def test_repeats_are_laid_out_as_the_run_and_the_first_is_the_run():
    assert _RUN.repeat(1) == _RUN
    assert _RUN.name_of(_RUN.repeat(2).predictions) == "repeats/2/predictions.csv"
    assert _RUN.repeat(2).name_of(_RUN.repeat(2).splits) == _RUN.name_of(_RUN.splits)


@pytest.mark.parametrize("kind", VARIANT_KINDS)
def test_a_variant_lies_in_the_folder_of_its_kind(kind):
    assert _RUN.variant(kind, "no-pet").parent == _RUN.variants(kind)
    assert _RUN.name_of(_RUN.variant(kind, "no-pet")) == f"{kind}/no-pet.csv"


def test_no_two_files_share_a_path():
    assert len(set(_PATHS.values())) == len(_PATHS)


def test_nothing_else_spells_out_the_name_of_a_file():
    names = {path.name for path in _PATHS.values() if path.suffix}
    # A page of its own is what a quality sheet writes too.
    names -= {_RUN.report.page.name}
    assert {"predictions.csv", "metrics.json", "run.lock", "pictures.json"} <= names
    for path in _SOURCES.rglob("*.py"):
        spelled = {
            node.value.rpartition("/")[2]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert path.name == "run_layout.py" or not spelled & names, path
