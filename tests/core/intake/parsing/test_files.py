"""Files that cannot be read to the end, or at all."""

import shutil

import pytest
from sqlalchemy import select

from core.intake.csv import csv_format
from core.intake.parsing.faults import ImportRefused
from core.intake.parsing.folder import Folder, NoSuchFolder
from core.models.practices import Patient
from tests.core.intake.conftest import FilesOfPractice


def test_latin_1_is_refused_at_its_first_bad_byte(files: FilesOfPractice) -> None:
    files.write("offices.csv", "office_id,name\nMAIN,Café\n".encode("latin-1"))

    assert [fault for fault in files.faults() if fault.startswith("offices")] == [
        "offices.csv, line 2: byte 24 of the file (0xE9, byte 9 of its line) is not UTF-8; save the file as UTF-8"
    ]


EXCEL = "open it and export it as CSV UTF-8"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("office_id,name\nMAIN,Café\n".encode("utf-16"), "this is UTF-16 text"),
        ("office_id,name\nMAIN,Café\n".encode("utf-16-be"), "this is UTF-16 text"),
        ("office_id,name\nMAIN,Café\n".encode("utf-16-le"), "this is UTF-16 text"),
        ("office_id,name\nMAIN,Café\n".encode("utf-32"), "this is UTF-32 text"),
        (b"PK\x03\x04\x14\x00[Content_Types].xml ...", f"this is an Excel workbook (XLSX); {EXCEL}"),
        (
            b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            f"this is a LibreOffice document (ODS); {EXCEL}",
        ),
        (b"PK\x03\x04\x14\x00[Content_Types].xml word/document.xml", "this is a Word document (DOCX)"),
        (b"PK\x03\x04\x14\x00offices.csv ...", "this is a ZIP file; unpack it first"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00", f"this is an old or protected Excel workbook (XLS); {EXCEL}"),
        (b"\x1f\x8b\x08\x00abc", "this is a compressed file (gzip); unpack it first"),
        (b"%PDF-1.7\n", "this is a PDF"),
        (b"\n<html><table><tr><td>office_id</td></tr></table>\n", "this is a web page or XML file"),
        (b"<?xml version='1.0'?><Workbook/>\n", "this is a web page or XML file"),
        (b'[{"office_id": "MAIN"}]\n', "this is JSON"),
        (b"ISA*00*          *00*~\n", "this is an X12 file"),
        (b"office_id,name\rMAIN,Main\r", "the lines end with only a carriage return (CR)"),
        (b"office_id;name\nMAIN;Main\n", "line 1: separate the columns with commas, not semi"),
        (b"office_id\tname\nMAIN\tMain\n", "line 1: separate the columns with commas, not tabs"),
        (b"sep=;\noffice_id;name\nMAIN;Main\n", 'line 1: remove the line "sep=", which only Excel reads, and separate'),
        (b"sep=,\noffice_id,name\nMAIN,Main\n", 'line 1: remove the line "sep=", which only Excel reads'),
        (
            b"Offices of Lakeside,\n,\noffice_id,name\nMAIN,Main\n",
            "line 1: the first line must name the columns; remove the lines above line 3, which has the column names",
        ),
        (b"office_id,name\nMAIN,Main\noffice_id,name\nMAIN,Main\n", "line 3: the column names are repeated here"),
        (b'office_id,name\nMAIN,"Main\nStreet"\n', "line 2: a quote opens here and does not close on this line"),
        (b'office_id,name\nMAIN,"Main', "line 2: a quote opens here and does not close on this line"),
        (b'office_id,name\nMAIN,"Main" Street\n', "line 2: put quotes around a value that contains a quote"),
        (b"office_id,name\nMAIN,Main\rStreet\n", "line 2: a carriage return (CR) is inside the line"),
        (b"office_id,name\nMAIN,Ma\x00in\n", "line 2: the line contains a NUL byte"),
    ],
)
def test_a_file_that_is_not_plain_csv_is_one_fault_that_names_its_real_format(
    files: FilesOfPractice, content: bytes, expected: str
) -> None:
    files.write("offices.csv", content)

    faults = files.faults()

    assert len(faults) == 1, faults
    assert expected in faults[0]
    assert faults[0].startswith("offices.csv")


@pytest.mark.parametrize("patient_id", ["P-1", "name"], ids=["plain", "a word that is a column's name"])
def test_a_file_without_a_header_exposes_nothing_of_its_first_row(files: FilesOfPractice, patient_id: str) -> None:
    files.write("patients.csv", f'{patient_id},"Sample, Petra",1980-02-28\n'.encode())

    assert files.faults() == [
        (
            "patients.csv, line 1: the first line must name the columns (patient_id, name, birth_date …), "
            "but it contains other values"
        )
    ]


def test_missing_files_are_the_only_faults_reported(files: FilesOfPractice) -> None:
    (files.path / "line_items.csv").unlink()
    (files.path / "postings.csv").rename(files.path / "postings.xlsx")
    (files.path / "payers.csv").rename(files.path / "Payers.CSV")
    files.replace("claims.csv", "2025-03-04", "3/4/2025")

    assert files.faults() == [
        "line_items.csv: the file is missing; add it to the other files",
        "payers.csv: the file is missing; if it is Payers.CSV, rename that file",
        "postings.csv: the file is missing; if postings.xlsx contains it, export it as CSV UTF-8",
    ]


def test_stray_quotes_are_each_named_and_the_lines_between_them_are_not(files: FilesOfPractice) -> None:
    files.replace("postings.csv", "1,184146026", '"1,184146026')
    files.replace("postings.csv", "4,184146026", '"4,184146026')

    assert files.faults() == [
        (
            "postings.csv, 2 rows (line 2, line 5): a quote opens here and does not close on this line; remove the "
            "quote, double it, or write the value on one line"
        )
    ]


def test_a_file_without_a_final_line_break_is_read_completely(files: FilesOfPractice) -> None:
    for file in files.path.iterdir():
        file.write_bytes(file.read_bytes().rstrip(b"\n"))

    done = files.load()

    assert done.added["postings"] == 7
    assert {name: rows.read for name, rows in done.rows_read.items()} == {
        "billing_statuses.csv": 1, "offices.csv": 1, "providers.csv": 2, "payers.csv": 2, "patients.csv": 2,
        "claims.csv": 2, "line_items.csv": 3, "postings.csv": 5,
    }  # fmt: skip


def test_a_file_that_changes_while_it_is_read_is_refused(files: FilesOfPractice) -> None:
    folder = Folder(files.path, (csv_format.PAYERS,))
    rows = folder.rows(csv_format.PAYERS)
    next(rows)

    files.write("payers.csv", b"payer_id,name,payer_class\n")
    list(rows)

    with pytest.raises(ImportRefused) as refused:
        folder.refuse_if_rows_lost()
    assert [str(fault) for fault in refused.value.faults] == [
        "payers.csv, line 1: 3 lines of 1 were read; did the file change during the import?"
    ]


def test_an_empty_file_is_refused(files: FilesOfPractice) -> None:
    files.write("line_items.csv", b"")

    assert "line_items.csv: the file is empty; its first line must name the columns" in files.faults()


def test_a_missing_file_is_refused(files: FilesOfPractice) -> None:
    (files.path / "postings.csv").unlink()

    assert files.faults() == ["postings.csv: the file is missing; add it to the other files"]


@pytest.mark.parametrize("cut", [3, 12, 20])
def test_a_truncated_file_is_refused_at_its_last_line(files: FilesOfPractice, cut: int) -> None:
    whole = (files.path / "line_items.csv").read_bytes()
    files.write("line_items.csv", whole[:-cut])

    assert any(fault.startswith("line_items.csv, line 4") for fault in files.faults())


def test_a_file_without_line_breaks_is_refused_without_reading_it_into_memory(files: FilesOfPractice) -> None:
    files.write("payers.csv", b"x" * 3_000_000)

    assert "payers.csv, line 1: the line is longer than a million bytes; is this a CSV file?" in files.faults()


def test_a_missing_folder_is_refused(files: FilesOfPractice) -> None:
    shutil.rmtree(files.path)

    with pytest.raises(NoSuchFolder, match="is not a folder"):
        files.load()


def test_columns_in_another_order_and_more_values_than_are_kept_are_read_right(files: FilesOfPractice) -> None:
    rows = [f'"Sample, Ann {n}",P{n:05d},19{n % 60 + 20}-01-02' for n in range(12_000)]
    files.write(
        "patients.csv", "\n".join(["name,patient_id,birth_date", *rows, "Petra,P-1,", "Otis,P-2,", ""]).encode()
    )

    files.load()

    with files.sessions() as session:
        found = session.execute(select(Patient.external_id, Patient.name, Patient.birth_date)).all()
    assert {f'"{name}",{number},{born}' for number, name, born in found if born} == set(rows)
