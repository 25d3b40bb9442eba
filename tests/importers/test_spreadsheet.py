import pytest

from pcrnet.errors import CohortError
from pcrnet.importers.spreadsheet import find_file, known, read_sheet


def _xlsx(path, sheets):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_xlsx_and_csv_give_the_same_text(tmp_path):
    rows = [["patient_id", "age", "pcr", "agent"], ["A", 41, 1.0, "x, y"], ["B", 50.5, None, "z"]]
    _xlsx(tmp_path / "t.xlsx", {"other": [["nothing"]], "dataset_info": rows})
    (tmp_path / "t.csv").write_text('patient_id,age,pcr,agent\nA,41,1,"x, y"\nB,50.5,,z\n')
    expected = [
        {"patient_id": "A", "age": "41", "pcr": "1", "agent": "x, y"},
        {"patient_id": "B", "age": "50.5", "pcr": "", "agent": "z"},
    ]
    assert read_sheet(tmp_path / "t.xlsx", "dataset_info") == expected
    assert read_sheet(tmp_path / "t.csv") == expected


def test_the_first_sheet_serves_where_the_named_one_is_absent(tmp_path):
    path = _xlsx(tmp_path / "t.xlsx", {"only": [["a"], [3]]})
    assert read_sheet(path, "dataset_info") == [{"a": "3"}]


def test_the_real_clinical_table_of_ispy2_is_read(test_data):
    pytest.importorskip("openpyxl")
    name = "ISPY2-Imaging-Cohort-1-Clinical-Data.xlsx"
    rows = read_sheet(test_data / "ispy2_clinical" / name)
    assert len(rows) == 985
    assert rows[0]["Patient_ID"] == "756412"
    assert {row["pCR"] for row in rows} == {"0", "1"}


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv", "t.doc", "missing.csv"])
def test_what_is_no_table_is_refused(tmp_path, name):
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00no table" if name != "t.doc" else b"")
    with pytest.raises(CohortError, match="cannot be read as a table"):
        read_sheet(tmp_path / name)


def test_files_are_found_whatever_their_case(tmp_path):
    (tmp_path / "Clinical.XLSX").touch()
    assert find_file(tmp_path, ("absent.csv", "clinical.xlsx")) == tmp_path / "Clinical.XLSX"
    assert find_file(tmp_path, ("absent.csv",)) is None


@pytest.mark.parametrize(("text", "expected"), [("NaN", ""), ("n/a", ""), ("0", "0"), ("", "")])
def test_unknown_is_written_in_many_ways(text, expected):
    assert known(text) == expected
