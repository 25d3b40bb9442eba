"""What a sweep would search, in words that follow its settings."""

import itertools

from pcrnet.sweeps.preview import preview


def test_it_says_size_objective_and_space(make_sweep):
    lines = preview(make_sweep(budget={"trials": 7, "hours": 1.5}, batch=2))
    assert lines[0] == "sweep stub: random search, 7 trials or 1.5 hours, 2 at a time"
    assert lines[1] == "objective: minimize log_loss"
    assert lines[2] == "a trial takes 6 fits of 3 folds"  # three and a pair of each two
    assert lines[3] == "the winner is judged by nested selection"
    assert "  model.width: 16 to 256 by 16" in lines
    assert "  model.fusion.kind: concat, gated" in lines
    assert "    where it is concat:" in lines
    assert "      model.fusion.hidden: 16, 32" in lines


def test_a_grid_is_counted_and_equals_the_product_of_its_lists(make_sweep):
    space = {"model.width": [16, 32, 48], "training.learning_rate": [0.001, 0.01]}
    lines = preview(make_sweep(search="grid", space=space, estimate="fresh"))
    points = len(list(itertools.product(*space.values())))
    assert f"the grid has {points} points" in lines
    assert "the winner is judged by fresh repeats" in lines


def test_a_scale_that_is_logarithmic_is_said(make_sweep):
    space = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    (line,) = [each for each in preview(make_sweep(space=space)) if "learning_rate" in each]
    assert line == "  training.learning_rate: 0.0001 to 0.01 on a log scale"
