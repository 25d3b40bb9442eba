"""What a report is made of: what follows from the fields."""

from types import SimpleNamespace

import numpy as np
import pytest

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.results import (
    READING_ORDER,
    Analysis,
    Confirmation,
    FailureCase,
    HeadResult,
)


def _analysis(fold, repeats=()):
    sources = SimpleNamespace(predictions=SimpleNamespace(fold=fold), repeats=repeats)
    heads = tuple(HeadResult(head, 10, 4, {}) for head in READING_ORDER)
    return Analysis(sources, EvaluationConfig(), heads, {}, {}, (), {}, None, (), None)


def test_folds_are_counted_and_an_external_test_set_has_none():
    assert _analysis(np.array([2, 0, 1, 1, 2])).folds == 3
    assert _analysis(None).folds is None


def test_the_first_run_is_a_repeat_too():
    assert _analysis(None).repeats == 1
    assert _analysis(None, repeats=("a", "b")).repeats == 3


def test_a_report_opens_with_the_primary_outcome():
    analysis = _analysis(None)
    assert analysis.main.head == "yT0yN0"
    assert analysis.main.label == "yT0 yN0"


@pytest.mark.parametrize(("prob", "distance"), [(0.9, 0.4), (0.2, 0.3)])
def test_how_wrong_a_prediction_was_does_not_depend_on_the_side(prob, distance):
    assert FailureCase("P1", prob, 0.5, responder=prob < 0.5).distance == pytest.approx(distance)


def test_an_analysis_of_the_protocol_is_called_by_its_timepoints():
    planned = SimpleNamespace(timepoints=("baseline", "interim"))
    protocol = SimpleNamespace(analyses={"both": planned})
    confirmation = Confirmation(protocol, (), (), (), None)
    assert confirmation.analysis_title("both") == "baseline + interim"
