from pcrnet.evaluation.report.estimate_words import with_interval
from pcrnet.evaluation.statistics.intervals import Estimate


def test_an_estimate_reads_with_its_interval_and_a_true_minus():
    assert with_interval(Estimate(-0.5, -0.75, 0.25, 9, "Wald")) == "−0.50 (95 % CI −0.75 to 0.25)"
    assert with_interval(Estimate(0.5, None, None, 9, "", "why")) == "0.50"
    assert (
        with_interval(Estimate.undefined("one class", n=9, method="")) == "not defined (one class)"
    )
