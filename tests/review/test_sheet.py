from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from pcrnet.review.panels import BACKGROUND, Look, draw_bar, draw_missing
from pcrnet.review.sheet import Sheet


def _sheet(columns: int = 2) -> Sheet:
    sheet = Sheet([1.0, 0.5], columns, foot="small print " * 20)
    sheet.head("P-001", "SIMULATED")
    for row in range(2):
        sheet.label_row(row, "baseline", "day +0")
        for column in range(columns):
            draw_missing(sheet.panel(row, column))
    return sheet


def test_equal_content_gives_equal_bytes():
    assert _sheet().png() == _sheet().png()


def test_no_software_name_or_time_is_inside_the_file():
    assert Image.open(io.BytesIO(_sheet().png())).info.keys() <= {"dpi"}


def test_panels_lie_inside_the_page_and_do_not_overlap():
    sheet = Sheet([1.0, 0.5, 2.0], 3)
    boxes = [sheet.panel(row, column).get_position() for row in range(3) for column in range(3)]
    boxes += [sheet.bar(column).get_position() for column in range(3)]
    for number, box in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
        for other in boxes[:number]:
            apart = (
                box.x0 >= other.x1 or other.x0 >= box.x1 or box.y0 >= other.y1 or other.y0 >= box.y1
            )
            assert apart


def test_text_does_not_run_over_the_border():
    pixels = np.asarray(Image.open(io.BytesIO(_sheet(1).png())).convert("RGB"))
    background = [int(BACKGROUND[i : i + 2], 16) for i in (1, 3, 5)]
    for edge in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]):
        assert (edge == background).all()


@pytest.mark.parametrize("columns", [1, 2, 6])
def test_the_small_print_lies_below_the_colour_bars_however_many_lines_it_takes(columns: int):
    sheet = Sheet([1.0], columns, foot="small print " * 40)
    bar = sheet.bar(0)
    draw_bar(bar, Look("SUVbw", 0.0, 7.0))
    canvas = FigureCanvasAgg(sheet._figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    lines = sheet._figure.texts[0].get_window_extent(renderer)
    assert lines.y0 >= 0
    assert lines.y1 <= min(text.get_window_extent(renderer).y0 for text in bar.texts)
