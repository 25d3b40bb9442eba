"""The terms sum to the logits exactly, and what was not measured adds exactly nothing."""

import numpy as np
import pytest

from pcrnet.explain.contributions import COVARIATES, break_down, counted, strongest


def _correlated(p):
    generator = np.random.default_rng(0)
    root = generator.normal(size=(p, p)) / np.sqrt(p)
    return root @ root.T + 0.3 * np.eye(p)


@pytest.fixture
def found(case):
    generator = np.random.default_rng(1)
    names = [spec.name for spec in case.model({}).specs] + ["age"]
    model = case.model(
        dict(zip(names, generator.normal(0, 0.3, len(names)), strict=True)), _correlated
    )
    return break_down(model, case.patient, case.tensor, case.data, case.imaging)


def test_base_and_terms_sum_to_the_logits(found):
    breast = sum(one.breast for one in found.contributions)
    nodes = sum(one.nodes for one in found.contributions)
    assert found.base + np.array([breast, nodes, nodes]) == pytest.approx(found.logits, abs=1e-9)
    assert not found.networks.any()


def test_subjects_sum_to_the_same(found):
    breast, nodes = np.array(list(found.by_subject().values())).sum(axis=0)
    assert found.base[0] + breast == pytest.approx(found.logits[0])
    assert found.base[2] + nodes == pytest.approx(found.logits[2])


def test_what_was_not_measured_adds_exactly_nothing_although_it_is_filled_in(found):
    absent = [one for one in found.contributions if not one.known]
    assert any(one.name.startswith("b.t2") for one in absent)
    assert all(one.breast == 0.0 and one.nodes == 0.0 for one in absent)
    assert counted(found)["absent"] == len(absent)


def test_what_is_filled_in_counts_where_it_came_from(case):
    def pair(p):
        covariance = np.eye(p)
        covariance[known, gone] = covariance[gone, known] = 0.5
        return covariance

    names = [spec.name for spec in case.model({}).specs]
    known, gone = names.index("a.t2.lesion_to_near_ln"), names.index("b.t2.lesion_to_near_ln")
    model = case.model({"b.t2.lesion_to_near_ln": 2.0}, pair)
    terms = break_down(model, case.patient, case.tensor, case.data, case.imaging).contributions
    value = case.tensor.quantities.values["a.t2.lesion_to_near_ln"]
    expected = 2.0 * 0.5 * (value - model.imputation.mean[known])
    assert terms[known].breast == pytest.approx(expected)
    assert terms[gone].breast == 0.0


def test_a_covariate_is_one_term_and_its_text_is_not_repeated(case):
    model = case.model({"age": 0.4})
    terms = break_down(model, case.patient, case.tensor, case.data, case.imaging).contributions
    (age,) = [one for one in terms if one.subject == COVARIATES]
    assert age.breast == pytest.approx(0.4 * (1.0 - model.imputation.mean[-1]))
    assert np.isnan(age.value)


def test_the_strongest_come_first(found):
    sizes = [max(abs(one.breast), abs(one.nodes)) for one in strongest(found, 8)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 8
