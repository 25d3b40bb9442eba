"""Tables of anybody, in whatever form they come."""

import codecs
import contextlib
import random
import sys

import pytest

from pcrnet.errors import CohortError, PcrnetError
from pcrnet.table_file import decimal_point, is_unknown, read_text_table

WANTED = {"patient_id": ("Müller 1", "P,2"), "yT0": ("0", "1"), "prob_yT0": ("0.25", "0.5")}
PLAIN = 'patient_id,yT0,prob_yT0\nMüller 1,0,0.25\n"P,2",1,0.5\n'
GERMAN = "patient_id;yT0;prob_yT0\nMüller 1;0;0,25\nP,2;1;0,5\n"
TABS = "patient_id\tyT0\tprob_yT0\nMüller 1\t0\t0.25\nP,2\t1\t0.5\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        codecs.BOM_UTF8 + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("cp1252"),
        GERMAN.encode("latin-1"),
        TABS.encode(),
        TABS.replace("\t", "|").encode(),
        b"|patient_id|yT0|prob_yT0|\n| :-- |---|---:|\n| M\xc3\xbcller 1|0|0.25|\n|P,2 |1|0.5|\n",
        b" patient_id | yT0 | prob_yT0\n----+----+---\n M\xc3\xbcller 1 | 0|0.25\n P,2 |1 | 0.5\n",
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        ("# made 2026, by R\n\n#second\n" + PLAIN).encode(),
        ("sep=;\n" + GERMAN).encode(),
        PLAIN.replace("\n", ",,\n").encode(),
        (PLAIN + "\n,,\n# the end, of it\n").encode(),
        b'"patient_id" "yT0" "prob_yT0"\n"M\xc3\xbcller 1" 0 0.25\n"P,2" 1 0.5\n',
        b'"patient_id" "yT0" "prob_yT0"\n"1" "M\xc3\xbcller 1" 0 0.25\n"2" "P,2" 1 0.5\n',
    ],
)
def test_every_dialect_is_the_same_table(tmp_path, data):
    (tmp_path / "t.csv").write_bytes(data)
    assert read_text_table(tmp_path / "t.csv").columns() == WANTED


def test_a_sheet_of_excel_is_the_same_table(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.create_sheet("second")
    for row in (["patient_id", "yT0", "prob_yT0"], ["Müller 1", 0, 0.25], ["P,2", 1.0, 0.5]):
        sheet.append(row)
    book.save(tmp_path / "t.dat")
    assert read_text_table(tmp_path / "t.dat").columns() == WANTED
    book.create_sheet("third").append(["x"])
    book.save(tmp_path / "t.dat")
    table = read_text_table(tmp_path / "t.dat", sheet="third")
    assert table.header == ("x",)
    assert read_text_table(tmp_path / "t.dat").remarks == ("of its 2 sheets the first was read",)


def test_of_several_sheets_the_first_that_shows_a_table_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in ("Predictions of 2026", "see the other sheet"):
        book.active.append([line])
    old, current = book.create_sheet("old"), book.create_sheet("current")
    old.append(["patient_id", "x"])
    old.sheet_state = "hidden"
    for row in (["patient_id", "yT0"], ["P1", 1]):
        current.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_text_table(tmp_path / "t.xlsx")
    assert table.columns() == {"patient_id": ("P1",), "yT0": ("1",)}
    assert table.remarks == ("of its 2 sheets the one numbered 2 was read",)


def test_what_was_not_plain_is_remarked(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"# one\n" + GERMAN.encode("latin-1"))
    remarks = " / ".join(read_text_table(tmp_path / "t.csv").remarks)
    for word in ("Windows-1252", "comment", "semicolons", "decimal commas"):
        assert word in remarks
    (tmp_path / "t.csv").write_text(PLAIN)
    assert read_text_table(tmp_path / "t.csv").remarks == ()


def test_rows_are_numbered_as_a_spreadsheet_counts(tmp_path):
    (tmp_path / "t.csv").write_text("# one\na,b\n\n1,2\n3,4\n")
    assert [number for number, _ in read_text_table(tmp_path / "t.csv").rows] == [4, 5]


def test_thousands_are_not_taken_for_decimals(tmp_path):
    (tmp_path / "t.csv").write_text("a\tvolume\nx\t1,234\ny\t2,500\n")
    assert read_text_table(tmp_path / "t.csv").columns()["volume"] == ("1,234", "2,500")


def test_a_long_quoted_note_does_not_hide_the_delimiter(tmp_path):
    note = '"' + "line; of a note\n" * 60 + '"'
    (tmp_path / "t.csv").write_text(f"a,note,b\n1,{note},2\n3,{note},4\n")
    assert read_text_table(tmp_path / "t.csv").columns()["b"] == ("2", "4")


def test_a_guarded_cell_is_the_text_behind_it(tmp_path):
    (tmp_path / "t.csv").write_text("patient_id,'=x\n'=1,2\n'a',3\n")
    assert read_text_table(tmp_path / "t.csv").columns() == {
        "patient_id": ("=1", "'a'"),
        "=x": ("2", "3"),
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old kind"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><table>", "HTML"),
        (b'[{"patient_id": "a", "yT0": 1}]', "JSON"),
        (b"Predictions of 2026,,\n,,\na,b,c\n1,2,3\n", "probably a title"),
        (b"PK\x03\x04 broken", "no XLSX file"),
        (b"\x89\x00\x81\x90", "not text"),
        (b"a,b\nP\x00,1\n", "not text"),
        (b"a,b\n\x81,\xff\n", "not text"),
        (b"\xff\xfe\x00\xd8", "not text"),
        (b'a,b\n"x"y,2\n', "quotation marks"),
        (b"", "is empty"),
        (b"\n,,\n", "is empty"),
        (b"a,b,a\n1,2,3\n", "more than once"),
    ],
)
def test_what_is_no_table_is_refused_by_its_kind(tmp_path, data, message):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(CohortError, match=message) as caught:
        read_text_table(tmp_path / "t.csv", error=CohortError)
    assert "t.csv" in str(caught.value)
    assert caught.value.remedy


def test_ragged_rows_are_one_problem(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n" + "1,2,3\n" * 9 + "1,0,25\n" + "1,2,3,4\n" * 7)
    with pytest.raises(PcrnetError, match="rows 12, 13, 14, 15, 16 and 2 more: 4 cells for 3"):
        read_text_table(tmp_path / "t.csv")


@pytest.mark.parametrize("cell", ["", " ", "NA", "NaN", "NULL", "n/a", ".", "<NA>", "#N/A"])
def test_unknown_is_written_in_many_ways(cell):
    assert is_unknown(cell)


@pytest.mark.parametrize("cell", ["0", "none", "no", "NAB", "-"])
def test_what_says_something_is_known(cell):
    assert not is_unknown(cell)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0,5", "0.5"),
        ("−1,5", "-1.5"),
        (",5", ".5"),
        ("1,5,2", "1,5,2"),
        ("a,b", "a,b"),
        ("–1.5e–3", "-1.5e-3"),
        ("1–2", "1–2"),
    ],
)
def test_a_decimal_comma_is_a_point(cell, number):
    assert decimal_point(cell) == number


def test_excel_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(PcrnetError, match=r"openpyxl\n.*pcrnet\[xlsx\]"):
        read_text_table(tmp_path / "t.xlsx")


def test_empty_cells_and_whole_numbers_of_excel_are_plain_text(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["a", "b", "c"], [None, 2.0, " x "]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert read_text_table(tmp_path / "t.xlsx").rows == ((2, ("", "2", "x")),)


def test_a_workbook_with_any_byte_damaged_is_read_or_refused(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path, book = tmp_path / "t.xlsx", openpyxl.Workbook()
    book.active.append(["patient_id", "prob_yT0"])
    book.active.append(["P1", 0.5])
    book.save(path)
    sound, chance = path.read_bytes(), random.Random(4)  # noqa: S311 - no secret
    directory = sound.index(b"PK\x01\x02")  # what a reader looks at first
    places = [
        *range(directory, directory + 46),
        *(chance.randrange(len(sound)) for _ in range(150)),
    ]
    for place in places:
        damaged = bytearray(sound)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with contextlib.suppress(PcrnetError):
            read_text_table(path)
