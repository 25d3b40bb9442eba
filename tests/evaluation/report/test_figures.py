from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from pcrnet.evaluation.report.figures import (
    ForestPanel,
    decision_top,
    draw_calibration,
    draw_decision_curve,
    draw_flow,
    draw_fold_spread,
    draw_forest,
    draw_precision_recall,
    draw_roc,
    most_in_a_bin,
)
from pcrnet.evaluation.statistics.curves import GRID, Curve, draw_weights
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import decision_curve

CURVE = Curve(GRID, GRID**0.5, GRID**0.6, GRID**0.4)
KNOWN = Estimate(0.8, 0.7, 0.88, 100, "Wilson")
POINT = Estimate(0.8, None, None, 3, "none", "too few")
UNKNOWN = Estimate.undefined("one class only", n=4, method="DeLong")


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 - our own file
    return [node.text or "" for node in root.iter() if node.tag.endswith("text")]


def draw_each(folder: Path) -> dict[str, str]:
    rng = np.random.default_rng(0)
    prob = rng.random(50)
    curve = decision_curve(rng.random(50) < prob, prob, draw_weights(50, 200, 1))
    panel = ForestPanel("yT0", (KNOWN, None, POINT, UNKNOWN), ("9/20", "", "4/12", "0/8"))
    labels = ["All women", "site", "A", "B"]
    return {
        "roc": draw_roc(CURVE, KNOWN, POINT, auc="0.80", to=folder / "roc"),
        "pr": draw_precision_recall(CURVE, 0.4, to=folder / "pr"),
        "calibration": draw_calibration(
            CURVE,
            CURVE,
            prob_of_responders=prob[:20],
            prob_of_others=prob,
            most=most_in_a_bin([prob[:20], prob]),
            to=folder / "calibration",
        ),
        "decision": draw_decision_curve(
            curve, top=decision_top([curve]), locked=(0.4, 0.6), to=folder / "decision"
        ),
        "forest": draw_forest(labels, [panel, panel], "AUC", to=folder / "forest"),
        "flow": draw_flow(
            [("rows", 20, ""), ("scans", 15, "too few"), ("same", 15, "")],
            [("yT0", 14, 6)],
            to=folder / "flow",
        ),
        "spread": draw_fold_spread([("yT0", [0.7, 0.8]), ("yN0", [])], to=folder / "spread"),
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("figures")
    return folder, draw_each(folder)


def test_each_figure_is_written_as_svg_and_pdf(drawn: tuple[Path, dict[str, str]]) -> None:
    folder, figures = drawn
    for name in figures:
        ET.parse(folder / f"{name}.svg")  # noqa: S314 - our own file
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_text_stays_text(drawn: tuple[Path, dict[str, str]]) -> None:
    _, figures = drawn
    assert "sensitivity" in texts(figures["roc"])
    assert "AUC 0.80" in texts(figures["roc"])
    assert "predicted probability of response" in texts(figures["calibration"])
    assert {"All women", "site", "A", "B", "4/12"} <= set(texts(figures["forest"]))
    assert "left out: 5" in texts(figures["flow"])


def test_the_svg_for_the_page_stands_alone(drawn: tuple[Path, dict[str, str]]) -> None:
    for name, svg in drawn[1].items():
        assert svg.startswith("<svg")
        assert "<metadata>" not in svg
        assert not re.search(r"(href|src)=\"(?!#)", svg)
        ids = re.findall(r'\bid="([^"]+)"', svg)
        assert ids
        assert all(found.startswith(f"{name}-") for found in ids)
        used = re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)
        assert set(used) <= set(ids)


def test_the_same_figure_gives_the_same_bytes(
    drawn: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, figures = drawn
    assert draw_each(tmp_path) == figures
    for name in figures:
        for suffix in (".svg", ".pdf"):
            same = (tmp_path / f"{name}{suffix}").read_bytes()
            assert same == (folder / f"{name}{suffix}").read_bytes()


def test_what_is_undefined_is_left_out_and_not_drawn_at_zero(tmp_path: Path) -> None:
    svg = draw_roc(CURVE, UNKNOWN, KNOWN, auc="–", to=tmp_path / "roc")
    assert "locked operating point" not in texts(svg)
    draw_forest(["All"], [ForestPanel("yT0", (UNKNOWN,), ("",))], "AUC", to=tmp_path / "forest")
    svg = draw_calibration(
        CURVE,
        None,
        prob_of_responders=np.zeros(0),
        prob_of_others=np.zeros(0),
        most=most_in_a_bin([np.zeros(0)]),
        to=tmp_path / "calibration",
    )
    assert "before recalibration" not in texts(svg)
