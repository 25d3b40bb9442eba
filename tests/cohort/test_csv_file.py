"""Files that are, or are not, CSV tables."""

import pytest

from pcrnet.cohort.csv_file import read_rows
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
        (b"a;b\n1;2\n", "semicolons"),
        (b"a;b;c,d\n", "semicolons"),
        (b"a\tb\n", "tabs"),
        (b"caf\xe9,b\n", "not UTF-8"),
        ("a,b\n".encode("utf-16"), "not UTF-8"),
        (b"a\0b\n", "not text"),
        (b'a,"b\n1,2\n', "well-formed"),
        (b'a,"b"c\n', "well-formed"),
        (b"a," + b"x" * 200_000 + b"\n", "well-formed"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, content, said):
    with pytest.raises(CohortError, match=said) as caught:
        _read(tmp_path, content)
    assert caught.value.file == "cohort.csv"
    assert caught.value.remedy


def test_a_missing_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(CohortError, match="cannot be read") as caught:
        read_rows(tmp_path / "nowhere" / "cohort.csv")
    assert str(tmp_path) not in str(caught.value)
