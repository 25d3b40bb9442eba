"""Figures of a sweep: one line a trial, scales that keep the order, the same bytes again."""

import re
from xml.etree import ElementTree

import pytest

from pcrnet.evaluation.report.figure_style import VERMILLION
from pcrnet.sweeps.folder.records import FinishedTrial, TrialResult
from pcrnet.sweeps.report.figures import (
    _scale_of,
    draw_importance,
    draw_learning_curves,
    draw_parallel_coordinates,
    draw_values,
)


def lines(svg, colour):
    return len(re.findall(rf"stroke: {colour}", svg, re.I))


@pytest.fixture
def drawn(finished):
    sweep, trials = finished
    winner = min((t for t in trials if t.value is not None), key=lambda trial: trial.value)
    return sweep, trials, winner.proposal.trial


def test_every_figure_is_sound_and_the_same_twice(drawn):
    sweep, trials, winner = drawn
    for draw in (
        lambda: draw_parallel_coordinates(sweep, trials, winner),
        lambda: draw_values(sweep, trials, winner),
        lambda: draw_importance({"all trials": {"model.width": 0.7, "model.fusion.kind": 0.3}}),
        lambda: draw_learning_curves({winner: [1.0, 0.5], "other": [0.9]}, winner),
    ):
        svg = draw()
        ElementTree.fromstring(svg)  # noqa: S314 - our own figure
        assert svg == draw()
        assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)


def test_the_winner_alone_is_marked(drawn):
    sweep, trials, winner = drawn
    assert lines(draw_parallel_coordinates(sweep, trials, winner), VERMILLION) == 1
    assert lines(draw_parallel_coordinates(sweep, trials, "nobody"), VERMILLION) == 0


def test_a_scale_keeps_the_order_of_numbers_and_leaves_room_for_what_is_absent(drawn):
    sweep, trials, _ = drawn
    scale = _scale_of(sweep, "model.width", trials)
    widths = sorted({trial.proposal.values["model.width"] for trial in trials})
    places = [scale.place(width) for width in widths]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0.12, 1.0)
    for width, place in zip(widths, places, strict=True):  # linear in between
        expected = 0.12 + 0.88 * (width - widths[0]) / (widths[-1] - widths[0])
        assert place == pytest.approx(expected)


def test_what_there_is_nothing_to_show_of_is_not_drawn(drawn):
    sweep, trials, winner = drawn
    open_ones = [trial for trial in trials if trial.value is None]
    assert draw_parallel_coordinates(sweep, open_ones, winner) is None
    assert draw_values(sweep, [], winner) is None
    assert draw_importance({}) is None
    assert draw_learning_curves({}, winner) is None


def test_trials_that_differ_by_rounding_alone_are_drawn_level(finished):
    sweep, trials = finished
    level = [
        FinishedTrial(
            trial.proposal,
            TrialResult("complete", 0.25394477 + number * 1e-13, 6, 3.0),
        )
        for number, trial in enumerate(trials)
    ]
    winner = level[0].proposal.trial
    assert "1e−" not in draw_values(sweep, level, winner)
    assert draw_parallel_coordinates(sweep, level, winner).count("0.2539") == 1


def test_the_foot_of_the_axes_is_marked_where_a_key_can_be_absent(finished):
    sweep, trials = finished
    keys = {key for trial in trials for key in trial.proposal.values}
    whole = [trial for trial in trials if keys <= set(trial.proposal.values)]
    assert 0 < len(whole) < len(trials)
    assert "–" in draw_parallel_coordinates(sweep, trials, "")
    assert "–" not in draw_parallel_coordinates(sweep, whole, "")
