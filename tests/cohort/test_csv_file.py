"""Files that are, or are not, CSV tables."""

import pytest

from pcrnet.cohort.csv_file import read_cohort_text, read_rows
from pcrnet.errors import CohortError


def _read(tmp_path, content: bytes):
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    return read_rows(path)


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path):
    header, rows = _read(tmp_path, b"a,b\n\n1,2\n,\n 3 ,\n")
    assert header == ["a", "b"]
    assert rows == [(3, ["1", "2"]), (5, ["3", ""])]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa,b\r\n1,2\r\n", b"a,b\r1,2\r", b"a,b\n1,2"])
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path, content):
    assert _read(tmp_path, content) == (["a", "b"], [(2, ["1", "2"])])


def test_quoted_cells_may_hold_commas_and_line_ends(tmp_path):
    _, rows = _read(tmp_path, b'a,b\n"1,5","x\ny"\n2,3\n')
    assert rows == [(2, ["1,5", "x\ny"]), (3, ["2", "3"])]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n,,\n", "is empty"),
        (b"a\0b\n", "not text"),
        (b"PK\x03\x04 no archive", "no XLSX"),
        (b"%PDF-1.4", "a PDF"),
        (b'a,"b\n1,2\n', "quotation marks"),
        (b'a,"b"c\n', "quotation marks"),
        (b"a," + b"x" * 200_000 + b"\n", "field limit"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, content, said):
    with pytest.raises(CohortError, match=said) as caught:
        _read(tmp_path, content)
    assert caught.value.file == "cohort.csv"
    assert caught.value.remedy


_PLAIN = "patient_id,site,age\nP1,Köln,52.3\nP2,Ulm,48\n"
_GERMAN = _PLAIN.replace(",", ";").replace(".", ",")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_GERMAN.encode("utf-8-sig"), "semicolons"),
        (_GERMAN.encode("cp1252"), "Windows-1252"),
        (_PLAIN.replace(",", "\t").encode("utf-16"), "tabs"),
        (("sep=;\r\n" + _GERMAN).encode("utf-8"), "decimal commas"),
        (_GERMAN.replace("\n", ";;\n").encode() + b";;;;\n", "semicolons"),
    ],
    ids=["excel", "excel, old", "unicode text", "sep", "empty columns and rows"],
)
def test_what_a_spreadsheet_makes_of_a_table_is_the_same_table(tmp_path, content, said):
    plain = _read(tmp_path, _PLAIN.encode())
    (tmp_path / "cohort.csv").write_bytes(content)
    text = read_cohort_text(tmp_path / "cohort.csv")
    assert text.header == plain[0]
    assert [cells for _, cells in text.rows] == [cells for _, cells in plain[1]]
    assert said in " ".join(text.remarks)


def test_a_sheet_of_a_workbook_is_the_same_table(tmp_path):
    book = pytest.importorskip("openpyxl").Workbook()
    for cells in (("patient_id", "age", None), ("P1", 52.5, None), ("P2", 48, None)):
        book.active.append(cells)
    book.save(tmp_path / "cohort.xlsx")
    header, rows = read_rows(tmp_path / "cohort.xlsx")
    assert header == ["patient_id", "age"]
    assert rows == [(2, ["P1", "52.5"]), (3, ["P2", "48"])]


def test_plain_csv_needs_no_remark(tmp_path):
    (tmp_path / "cohort.csv").write_bytes(_PLAIN.encode("utf-8-sig"))
    assert read_cohort_text(tmp_path / "cohort.csv").remarks == ()


def test_a_missing_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(CohortError, match="cannot be read") as caught:
        read_rows(tmp_path / "nowhere" / "cohort.csv")
    assert str(tmp_path) not in str(caught.value)
