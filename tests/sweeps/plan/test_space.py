"""Spaces: what may be searched, and every point of them."""

from __future__ import annotations

import math

import pytest

from pcrnet.errors import ConfigError
from pcrnet.sweeps.plan.space import (
    NumberRange,
    corners,
    draw,
    grid,
    parameters,
    read_space,
    searched_keys,
)

KINDS = {
    "model.kind": {
        "quantitative": {},
        "network": {
            "model.width": [16, 32],
            "model.fusion.kind": {"concat": {"model.fusion.hidden": [8, 16, 24]}, "gated": {}},
        },
    },
    "evaluation.calibration.kind": ["chain", "none"],
}


def test_a_grid_has_every_combination_and_nothing_below_another_kind():
    points = list(grid(read_space(KINDS)))
    assert len(points) == (1 + 2 * (3 + 1)) * 2
    assert len({repr(point) for point in points}) == len(points)
    for point in points:
        network = point["model.kind"] == "network"
        assert ("model.width" in point) == network
        assert ("model.fusion.hidden" in point) == (point.get("model.fusion.kind") == "concat")


def test_a_kind_stands_before_what_lies_below_it():
    for point in grid(read_space(KINDS)):
        keys = list(point)
        assert all(keys.index("model.kind") < keys.index(key) for key in keys if "model.w" in key)


def test_corners_hold_every_value_and_both_ends_of_a_range():
    space = read_space(KINDS | {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}})
    points = list(corners(space))
    for parameter in parameters(space):
        found = {point.get(parameter.key) for point in points} - {None}
        ends = (
            {parameter.low, parameter.high}
            if isinstance(parameter, NumberRange)
            else set(parameter.values)
        )
        assert ends <= found
    assert len(points) < 40


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"low": 16, "high": 64, "step": 16}, [16, 32, 48, 64]),
        ({"low": 1, "high": 4}, [1, 2, 3, 4]),
        ({"low": 0.1, "high": 0.4, "step": 0.1}, [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_a_range_with_a_step_is_a_list(spec, expected):
    (parameter,) = read_space({"model.dropout": spec})
    assert parameter.points() == pytest.approx(expected)


def test_a_range_without_a_step_is_no_grid():
    space = read_space({"model.dropout": {"low": 0.0, "high": 0.5}})
    with pytest.raises(ConfigError, match="a list of values, or a step"):
        list(grid(space))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("run.seed", "luck is not searched"),
        ("evaluation.folds", "judged alike"),
        ("data.cohort", "the same patients"),
        ("data.simulation.patients", "the same patients"),
        ("outcome.definition", "the same outcome"),
        ("tracking.project", "changes no number"),
        ("evaluation.answers", "changes no number"),
        ("model.widht", "did you mean model.width"),
    ],
)
def test_what_must_not_differ_between_trials_is_refused_by_name(key, why):
    with pytest.raises(ConfigError, match=why) as caught:
        read_space({key: [1, 2]})
    assert caught.value.field == key


@pytest.mark.parametrize(
    "spec",
    [
        7, [], [1, 1], {"low": 1}, {"low": 2, "high": 1}, {"low": 0.0, "high": 1.0, "log": True},
        {"low": 1, "high": 2, "log": True, "step": 1}, {"low": "a", "high": 1},
        {"low": True, "high": 2}, {"low": 1, "high": math.nan}, {"low": 1, "high": 3, "by": 1},
    ],
)  # fmt: skip
def test_what_is_no_range_and_no_list_is_refused(spec):
    with pytest.raises(ConfigError):
        read_space({"model.width": spec})


def test_an_empty_space_is_refused():
    with pytest.raises(ConfigError, match="nothing to search"):
        read_space({})


def test_one_key_below_two_kinds_is_one_column():
    space = read_space({
        "model.fusion.kind": {
            "concat": {"model.fusion.hidden": [8]}, "gated": {"model.fusion.hidden": [16]},
        }
    })  # fmt: skip
    assert searched_keys(space) == ("model.fusion.kind", "model.fusion.hidden")
    paths = [parameter.path for parameter in parameters(space)]
    assert len(set(paths)) == 3
    assert draw(space, lambda p: p.values[-1]) == {
        "model.fusion.kind": "gated", "model.fusion.hidden": 16
    }  # fmt: skip
