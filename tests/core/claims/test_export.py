"""Exported files: text that a spreadsheet does not run, in pieces."""

import csv
import io

import pytest

from core.claims import export


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =cmd()", "＝1+1", "|calc", "%x"])
def test_a_formula_is_exported_as_text(name: str) -> None:
    assert export.escape_formula(name) == f"'{name}"


@pytest.mark.parametrize("name", ["Ana", "O'Neil", "", "مريم", "1=1", "😀", "a-b"])
def test_an_ordinary_name_is_exported_unchanged(name: str) -> None:
    assert export.escape_formula(name) == name


def test_an_export_is_written_in_pieces_and_reads_back_unchanged() -> None:
    rows = [(str(n), 'a "quoted", name\nin two lines') for n in range(1_201)]

    pieces = list(export.csv_pieces(("number", "name"), rows))

    assert len(pieces) == -(-1_201 // export.ROWS_PER_PIECE)
    file = "".join(pieces).encode()
    assert file.startswith("\ufeffnumber".encode())
    assert file.count("\ufeff".encode()) == 1
    assert list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""))) == [["number", "name"], *map(list, rows)]
