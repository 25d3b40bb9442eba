from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from scipy import stats

from pcrnet.evaluation.statistics.confusion import Confusion
from pcrnet.evaluation.trial.endpoints import (
    design_of,
    judge_endpoints,
    power_table,
    sample_size_table,
)
from pcrnet.evaluation.trial.protocol import Protocol, read_protocol

GOOD = Confusion(true_positive=185, false_positive=45, true_negative=185, false_negative=45)
POOR = Confusion(true_positive=185, false_positive=60, true_negative=170, false_negative=45)


@pytest.fixture
def protocol(protocol_file: Path) -> Protocol:
    return read_protocol(protocol_file)


def judge(protocol: Protocol, interim: Confusion | str, baseline: Confusion | str) -> list[str]:
    counts = {("yT0yN0", "interim"): interim, ("yT0yN0", "baseline"): baseline}
    return [result.status for result in judge_endpoints(protocol, counts)]


def test_lower_limits_are_those_of_an_exact_one_sided_test(protocol: Protocol) -> None:
    counts = {("yT0yN0", "interim"): GOOD, ("yT0yN0", "baseline"): GOOD}
    first = judge_endpoints(protocol, counts)[0]
    for test in first.tests:
        exact = stats.binomtest(test.successes, test.n, alternative="greater")
        assert test.lower == pytest.approx(exact.proportion_ci(0.975).low, abs=1e-12)
        assert test.passed


def test_both_must_pass(protocol: Protocol) -> None:
    assert judge(protocol, GOOD, GOOD) == ["met", "met"]
    assert judge(protocol, POOR, GOOD)[0] == "not met"


def test_the_rule_passes_at_175_of_230_and_not_at_174(protocol: Protocol) -> None:
    at = {k: Confusion(k, 230 - 175, 175, 230 - k) for k in (174, 175)}
    assert judge(protocol, at[175], GOOD)[0] == "met"
    assert judge(protocol, at[174], GOOD)[0] == "not met"


def test_the_sequence_stops_at_the_first_failure(protocol: Protocol) -> None:
    assert judge(protocol, POOR, GOOD) == ["not met", "not tested"]


def test_what_the_run_does_not_hold_stops_the_sequence_too(protocol: Protocol) -> None:
    assert judge(protocol, "no such scans", GOOD) == ["not in this run", "not tested"]


def test_one_class_is_no_test(protocol: Protocol) -> None:
    assert judge(protocol, Confusion(10, 0, 0, 2), GOOD)[0] == "not tested"


def test_tables_of_power_and_sample_size_vary_one_thing(
    protocol: Protocol, protocol_file: Path
) -> None:
    design = design_of(protocol, protocol.coprimary[0])
    assert design.alpha == yaml.safe_load(protocol_file.read_text())["alpha"]
    powers = power_table(design, 460, [0.4, 0.5])
    assert [row.responders for row in powers] == [184, 230]
    sizes = sample_size_table(design, [(0.8, 0.8), (0.85, 0.85)])
    assert [power for power, _ in sizes[0].patients] == [0.8, 0.9]
    assert (sizes[0].patients[1][1] or 0) > (sizes[1].patients[1][1] or 0)


@pytest.mark.parametrize("n", [12, 60, 184, 230])
def test_a_locked_threshold_succeeds_by_mistake_no_more_often_than_the_level_says(
    protocol: Protocol, n: int
) -> None:
    """At the least favourable null one rate lies on its null value and the other is sure to pass:
    the chance of success is a sum of binomial probabilities."""
    design = design_of(protocol, protocol.coprimary[0])

    def met(table: Confusion) -> bool:
        return judge(protocol, table, GOOD)[0] == "met"

    sensitive = [k for k in range(n + 1) if met(Confusion(k, 1, 999, n - k))]
    assert 0 < stats.binom.pmf(sensitive, n, design.null_sensitivity).sum() <= design.alpha
    specific = [k for k in range(n + 1) if met(Confusion(999, n - k, k, 1))]
    assert 0 < stats.binom.pmf(specific, n, design.null_specificity).sum() <= design.alpha
