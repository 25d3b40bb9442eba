"""Three logits of one outcome: shared coefficients, and outcomes that are partly known."""

import numpy as np
import pytest
from scipy.special import expit

from pcrnet.models.rivals import chain as chain_module
from pcrnet.models.rivals.chain import RidgeChain


def _draw(n, seed, features=4):
    """Features and the outcome cell of n patients."""
    generator = np.random.default_rng(seed)
    design = generator.normal(size=(n, features))
    breast = generator.random(n) < expit(design[:, 0] - 0.3)
    nodes = generator.random(n) < expit(design[:, 1] + np.where(breast, 1.5, -0.5))
    return design, np.where(breast, 0, 2) + np.where(nodes, 0, 1)


def _likelihood(chain, features, allowed):
    """Log-likelihood of what is known, less the ridge on coefficients, step and intercepts."""
    breast, free, residue = expit(chain.logits(features)).T
    cells = np.column_stack(
        [breast * free, breast * (1 - free), (1 - breast) * residue, (1 - breast) * (1 - residue)]
    )
    ridge = chain.penalties[0] * (chain.breast.coefficients**2).sum()
    ridge += chain.penalties[1] * (chain.nodes.coefficients**2).sum()
    mean = float(((cells * allowed).T / (cells * allowed).sum(axis=1))[:2].sum(axis=0).mean())
    spread = np.sqrt(mean * (1 - mean))
    ridge += chain.penalties[1] * (chain.step * spread / 3.0) ** 2
    centre = chain.nodes.intercept + chain.step * mean
    ridge += 0.02 * (chain.breast.intercept**2 + centre**2)
    return float(np.log((cells * allowed).sum(axis=1)).sum() - ridge / 2)


def _hide(cell, seed):
    """Allowed cells (n, 4): a third known whole, by the breast alone, and by the nodes alone."""
    allowed = np.eye(4, dtype=bool)[cell]
    how = np.random.default_rng(seed).integers(3, size=len(cell))
    pairs = allowed.reshape(-1, 2, 2)
    breast = np.repeat(pairs.any(axis=2), 2, axis=1)
    nodes = np.tile(pairs.any(axis=1), 2)
    return np.select([how[:, None] == 0, how[:, None] == 1], [allowed, breast], nodes)


def test_the_nodes_logits_differ_by_one_step():
    features, cell = _draw(200, 1)
    chain = RidgeChain.fit(features, np.eye(4, dtype=bool)[cell], 5)
    logits = chain.logits(features)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 2], chain.step, atol=1e-12)
    assert chain.step > 0.5


def test_many_patients_give_the_truth():
    features, cell = _draw(8000, 2)
    chain = RidgeChain.fit(features, np.eye(4, dtype=bool)[cell], 5)
    np.testing.assert_allclose(chain.breast.coefficients, [1, 0, 0, 0], atol=0.12)
    np.testing.assert_allclose(chain.nodes.coefficients, [0, 1, 0, 0], atol=0.12)
    assert chain.breast.intercept == pytest.approx(-0.3, abs=0.1)
    assert chain.nodes.intercept == pytest.approx(-0.5, abs=0.12)
    assert chain.step == pytest.approx(2.0, abs=0.2)


def test_known_outcomes_are_fitted_at_once(monkeypatch):
    features, cell = _draw(90, 3)
    allowed = np.eye(4, dtype=bool)[cell]
    found = RidgeChain.fit(features, allowed, 5).logits(features)
    monkeypatch.setattr(
        chain_module, "expected_cells", lambda logits, allowed: pytest.fail("no need")
    )
    np.testing.assert_array_equal(RidgeChain.fit(features, allowed, 5).logits(features), found)


def test_who_is_not_known_at_all_changes_nothing():
    features, cell = _draw(60, 4)
    allowed = np.eye(4, dtype=bool)[cell]
    more = np.vstack([features, 9 + features[:7]]), np.vstack([allowed, np.ones((7, 4), bool)])
    expected = RidgeChain.fit(features, allowed, 5).logits(features)
    np.testing.assert_array_equal(RidgeChain.fit(*more, 5).logits(features), expected)


def test_the_likelihood_of_what_is_known_rises_in_every_round(monkeypatch):
    # The likelihood below is penalised alike in every feature, and is that of what maximises it.
    monkeypatch.setattr(chain_module, "moderated", lambda model, *_: model)
    monkeypatch.setattr(chain_module, "relevance", lambda features, *_: np.ones(features.shape[1]))
    for seed in range(5):
        features, cell = _draw(150, 10 + seed)
        allowed = _hide(cell, seed)
        reached = []
        for rounds in range(9):
            monkeypatch.setattr(chain_module, "_ROUNDS", rounds)
            reached.append(_likelihood(RidgeChain.fit(features, allowed, 5), features, allowed))
        # The step is penalised in units that move a little with what is expected.
        assert (np.diff(reached) > -2e-3).all(), reached
        assert reached[-1] > reached[0] + 0.05


def test_partly_known_outcomes_are_worth_more_than_none():
    """Nodes of whom the breast is unknown still teach: nearer to the truth than without them."""
    errors = []
    for seed in range(10):
        features, cell = _draw(300, 30 + seed)
        allowed = _hide(cell, seed)
        whole = allowed.sum(axis=1) == 1
        test, _ = _draw(500, 99)
        truth = np.column_stack([test[:, 0] - 0.3, test[:, 1] + 1.5, test[:, 1] - 0.5])
        for rows in (whole, slice(None)):
            found = RidgeChain.fit(features[rows], allowed[rows], 5).logits(test)
            errors.append(np.abs(found - truth).mean())
    few, all_of_them = np.reshape(errors, (-1, 2)).mean(axis=0)
    assert all_of_them < few - 0.02


def test_a_refit_keeps_the_penalties():
    features, cell = _draw(80, 6)
    allowed = np.eye(4, dtype=bool)[cell]
    chain = RidgeChain.fit(features, allowed, 5)
    again = chain.refit(features[:50], allowed[:50])
    assert again.penalties == chain.penalties
    same = chain.refit(features, allowed)
    np.testing.assert_array_equal(same.logits(features), chain.logits(features))


def test_nodes_that_one_feature_tells_are_told_by_it_though_sixty_say_nothing(monkeypatch):
    """Nearer to the truth than with the relevance itself."""
    errors, powers = np.zeros((8, 2)), (1.0, chain_module._NODES_POWER)
    for seed in range(len(errors)):
        generator = np.random.default_rng(300 + seed)
        features = generator.normal(size=(420, 61))
        nodes = generator.random(420) < expit(1.5 * features[:, 0])
        breast = generator.random(420) < expit(features[:, 1:41] @ np.full(40, 0.25))
        allowed = np.eye(4, dtype=bool)[2 * ~breast + ~nodes]
        for column, power in enumerate(powers):
            monkeypatch.setattr(chain_module, "_NODES_POWER", power)
            said = RidgeChain.fit(features[:120], allowed[:120], 5).logits(features[120:])[:, 2]
            errors[seed, column] = np.abs(said - 1.5 * features[120:, 0]).mean()
    gain = errors[:, 0] - errors[:, 1]
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))
