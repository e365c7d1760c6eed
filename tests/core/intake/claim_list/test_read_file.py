"""Claim numbers from a CSV, XLSX or text file."""

from pathlib import Path

import pytest
import xlsxwriter

from core.intake.claim_list.read_file import read_file
from core.intake.claim_list.read_text import BadClaimList

Sheets = dict[str, list[list[str | int]]]


def workbook(path: Path, sheets: Sheets) -> Path:
    with xlsxwriter.Workbook(path) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"Claim #\r\n00101\r\n102\r\n",
        b"\xef\xbb\xbf00101,102",
        "Claim #\t Patient\n00101\tZoë\n102\tAnn\n".encode("utf-16"),
        "Claim #;Patient\n00101;Zoë\n102;Ann\n".encode("windows-1252"),
        b'"Claim #","Patient"\n"00101","Smith, Ann"\n"102","Lee"\n',
    ],
)
def test_a_text_or_csv_file_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)

    assert read_file(path, name="list.pdf").numbers == ("00101", "102")


@pytest.mark.parametrize(
    "sheets",
    [
        {"A": [["00101"], [102]]},
        {"A": [["Claim #"], ["00101"], [102], ["00101"]]},
        {"A": [["Old claims"], ["Patient", "Claim #"], ["Ann", "00101"], ["Lee", 102]]},
        {"Notes": [["Read me", 1]], "Data": [["DOS", "Claim #"], ["5/1/2026", "00101"], ["", 102]]},
    ],
)
def test_the_column_of_a_workbook_is_found(tmp_path: Path, sheets: Sheets) -> None:
    assert read_file(workbook(tmp_path / "list.xlsx", sheets), name="list.xlsx").numbers == ("00101", "102")


@pytest.mark.parametrize(
    ("sheets", "words"),
    [
        ({"A": [["101", "45"], ["102", "46"]]}, "The sheet has 2 columns"),
        ({"A": [["101"]], "B": [["102"]]}, "several sheets"),
        ({"A": []}, "contains no values"),
    ],
)
def test_a_workbook_that_may_be_misread_is_refused(tmp_path: Path, sheets: Sheets, words: str) -> None:
    with pytest.raises(BadClaimList, match=words):
        read_file(workbook(tmp_path / "list.xlsx", sheets), name="list.xlsx")


def test_a_file_of_another_kind_is_refused_with_its_name_and_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "list.pdf"
    path.write_bytes(b"%PDF-1.7")

    with pytest.raises(BadClaimList, match=r"list\.pdf, line 1: this is a PDF"):
        read_file(path, name="list.pdf")
