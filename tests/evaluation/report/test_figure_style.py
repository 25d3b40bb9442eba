"""Figures of a report: the same bytes each time, and no name that two of them share."""

import io
import re
import xml.etree.ElementTree as ET
import zlib

import pytest
from fontTools.subset import Options
from fontTools.ttLib import TTFont

from pcrnet.evaluation.report.figure_style import (
    _fonts_without_layout,
    page_svg,
    save_figure,
    styled_figure,
)


def _draw(to):
    with styled_figure(3.0, 2.0, (2.0, 1.0)) as (figure, axes):
        axes[0].plot([0, 1], [0, 1], label="a line")
        axes[0].fill_between([0, 1], [0, 0], [1, 1])
        axes[1].set_xlabel("probability")
        return len(axes), save_figure(figure, to)


@pytest.fixture
def drawn(tmp_path):
    return _draw(tmp_path / "one")


def test_there_is_one_axis_a_ratio(drawn):
    assert drawn[0] == 2


def test_the_same_figure_gives_the_same_bytes(drawn, tmp_path):
    (tmp_path / "again").mkdir()
    _draw(tmp_path / "again" / "one")
    for suffix in ("svg", "pdf"):
        first, again = (tmp_path / f"one.{suffix}", tmp_path / "again" / f"one.{suffix}")
        assert first.read_bytes() == again.read_bytes()


def test_every_id_bears_the_name_of_its_figure_and_every_reference_finds_one(drawn):
    svg = drawn[1]
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    assert ids
    assert all(name.startswith("one-") for name in ids)
    used = re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)
    assert set(used) <= ids


def test_what_stands_in_the_page_is_one_element_with_text_that_can_be_searched(drawn):
    root = ET.fromstring(drawn[1])  # noqa: S314 - drawn just now
    assert root.tag.endswith("svg")
    assert "max-width" in root.attrib["style"]
    assert "height" not in root.attrib
    assert "probability" in "".join(root.itertext())
    assert "<metadata>" not in drawn[1]


def test_the_pdf_embeds_every_glyph_of_its_text_and_nothing_that_lays_them_out(drawn, tmp_path):
    fonts = [
        TTFont(io.BytesIO(zlib.decompress(found[1])))
        for found in re.finditer(
            rb"/Length1.*?stream\r?\n(.*?)\r?\nendstream", (tmp_path / "one.pdf").read_bytes(), re.S
        )
    ]
    assert fonts
    glyphs = {name for font in fonts for name in font.getGlyphOrder()}
    assert glyphs >= set("probability") | {"period", "zero"}
    letters = [font["glyf"]["a"] for font in fonts if "a" in font.getGlyphOrder()]
    assert letters
    assert all(letter.numberOfContours == 2 for letter in letters)
    assert not any({"GSUB", "GPOS", "GDEF"} & set(font.keys()) for font in fonts)
    assert "GSUB" not in Options().drop_tables  # other users of the library are left alone


def test_the_style_of_others_is_left_as_it_was(tmp_path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    _draw(tmp_path / "other")
    assert dict(mpl.rcParams) == before


def test_a_fonttools_without_the_list_is_left_as_it_is(monkeypatch):
    monkeypatch.delattr(Options, "_drop_tables_default")
    with _fonts_without_layout():
        assert not hasattr(Options, "_drop_tables_default")


def test_a_figure_for_the_page_alone_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with styled_figure(2, 2) as (figure, (axes,)):
        axes.plot([0, 1], [0, 1])
        assert 'id="alone-' in page_svg(figure, "alone")
    assert not list(tmp_path.iterdir())
