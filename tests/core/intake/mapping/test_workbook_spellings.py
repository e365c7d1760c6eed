"""Workbooks of other programs than Excel: no way to write a cell hides its place, its formula or its error."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from core.intake.mapping import workbook
from core.intake.mapping.workbook import Workbook
from core.intake.parsing.lines import UnreadableFile
from tests.core.intake.mapping.conftest import HEADER, MAPPING, OfficeFiles

SHEET = "xl/worksheets/sheet1.xml"
MAIN = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
UNCLEAR = "cells that cannot be read safely; open the workbook in Excel and save it again"
Spelling = Callable[[bytes], bytes]


def prefixed(xml: bytes) -> bytes:
    return re.sub(rb"<(/?)(\w)", rb"<\1x:\2", xml).replace(MAIN, MAIN.replace(b"xmlns", b"xmlns:x"))


def reference_last(xml: bytes) -> bytes:
    return re.sub(rb'<c( r="[A-Z]+\d+")((?: s="\d+")?(?: t="\w+")?)>', rb"<c\2\1>", xml)


def single_quotes(xml: bytes) -> bytes:
    return re.sub(rb"<(c|row)([^>]*)>", lambda tag: tag[0].replace(b'"', b"'"), xml)


def without_references(xml: bytes) -> bytes:
    return re.sub(rb'(<(?:c|row)) r="[A-Z]*\d+"', rb"\1", xml)


SPELLINGS = pytest.mark.parametrize("spelling", [prefixed, reference_last, single_quotes, without_references])


def write(path: Path, *, formula: str = "", stored: object = "") -> Path:
    """Write one claim of $100.00, or one whose insurance balance is a formula."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AR")
        sheet.write_row(0, 0, HEADER.split(","))
        sheet.write_row(1, 0, ["C1", "P1", "Example Ann", "03/14/2026", "Aetna", 100, 0])
        if formula:
            sheet.write_formula(1, 5, formula, None, stored)
    return path


def respell(path: Path, change: Spelling) -> Path:
    with zipfile.ZipFile(path) as packed:
        parts = {one.filename: packed.read(one) for one in packed.infolist()}
    assert change(parts[SHEET]) != parts[SHEET]
    parts[SHEET] = change(parts[SHEET])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return path


def read(path: Path, cells_max: int = 1_000) -> list[tuple[int, list[str]]]:
    book = Workbook(path, cells_max=cells_max)
    try:
        return list(book.rows("AR"))
    finally:
        book.close()


@SPELLINGS
def test_the_balance_is_read_however_the_cell_is_written(
    office: OfficeFiles, tmp_path: Path, spelling: Spelling
) -> None:
    plain = respell(write(tmp_path / "plain.xlsx"), spelling)
    summary = office.load(plain, MAPPING).summary
    assert summary is not None
    assert summary.insurance_balance_cents == 100_00

    stored = respell(write(tmp_path / "stored.xlsx", formula="=100+0.1", stored=100.1), spelling)
    assert read(stored)[1][1][5] == "100.1"


@SPELLINGS
def test_a_formula_without_a_value_is_refused_however_the_cell_is_written(
    office: OfficeFiles, tmp_path: Path, spelling: Spelling
) -> None:
    path = respell(write(tmp_path / "bare.xlsx", formula="=100+0.1"), spelling)

    cell = "a cell" if spelling is without_references else "cell F2"
    assert office.faults(path, MAPPING) == [
        f"bare.xlsx, line 2: {cell} has a formula without a stored value; open the workbook in Excel and save it again"
    ]


def test_a_workbook_whose_writer_calculated_no_formula_is_refused(office: OfficeFiles, tmp_path: Path) -> None:
    """Such a program stores 0 for every formula and lets Excel calculate when it opens the workbook."""
    path = write(tmp_path / "zero.xlsx", formula="=100+0.1", stored=0)
    assert office.faults(path, MAPPING) == [
        "zero.xlsx, line 2: cell F2 has a formula without a stored value; open the workbook in Excel and save it again"
    ]

    other = write(tmp_path / "calculated.xlsx", formula="=100-100", stored=0)
    respell(other, lambda xml: xml.replace(b'<c r="G2"><v>0</v>', b'<c r="G2"><f>60-20</f><v>40</v>'))
    assert read(other)[1][1][5:] == ["0", "40"], "it calculated another formula"


@SPELLINGS
def test_an_error_is_never_an_empty_balance_however_the_cell_is_written(
    office: OfficeFiles, tmp_path: Path, spelling: Spelling
) -> None:
    path = respell(write(tmp_path / "error.xlsx", formula="=1/0", stored="#DIV/0!"), spelling)

    expected = UNCLEAR if spelling is without_references else 'column Ins Bal, value "#DIV/0!"'
    [fault] = office.faults(path, MAPPING)
    assert expected in fault


@pytest.mark.parametrize(("old", "new"), [
    (b'<c r="F2"', b'<c note=">" r="F2"'),
    (b'<c r="F2">', b'<c r="F2"><!-- the balance -->'),
    (b"<v>100</v>", b"<v><![CDATA[100]]></v>"),
    (b'<c r="F2">', b'<c r="F-2">'),
    (b'<row r="2"', b'<row r="2a"'),
    (b"<v>100</v>", b"<v>100</v><f>50+50</f>"),
])  # fmt: skip
def test_a_cell_that_is_not_understood_refuses_the_sheet(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = respell(write(tmp_path / "odd.xlsx"), lambda xml: xml.replace(old, new))

    with pytest.raises(UnreadableFile, match=UNCLEAR):
        read(path)


@pytest.mark.parametrize("row", [b"<row>", b"<row r='3'>", b'<x:row r="3">', b'<row spans="1:2" r="3">'])
@pytest.mark.parametrize("cell", [b"r='AZ40'", b's="0" r="AZ40"', b'r="az40"'])
def test_a_far_cell_counts_however_it_is_written(tmp_path: Path, row: bytes, cell: bytes) -> None:
    """Memory is taken for rows times columns up to the farthest cell, 2,080 here."""
    end = b"</x:row>" if b"x:" in row else b"</row>"
    more = row + b"<c " + cell + b"><v>1</v></c>" + end + b"</sheetData>"
    path = respell(write(tmp_path / "far.xlsx"), lambda xml: xml.replace(b"</sheetData>", more))

    with pytest.raises(UnreadableFile, match="more than 1,000 cells"):
        read(path)


def test_rows_and_cells_without_numbers_are_counted(tmp_path: Path) -> None:
    more = b"<row>" + b"<c><v>1</v></c>" * 50 + b"</row></sheetData>"
    path = respell(write(tmp_path / "wide.xlsx"), lambda xml: xml.replace(b"</sheetData>", b"<row/>" * 18 + more))

    with pytest.raises(UnreadableFile, match=r"spans 21 rows and 5\d columns, more than 1,000 cells"):
        read(path)


def test_the_texts_of_a_workbook_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are in memory from the moment the workbook opens, also those that no cell shows."""
    path = tmp_path / "texts.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("AR").write_column(0, 0, [f"Example {n}" for n in range(30)])
    assert len(read(path)) == 30

    with pytest.raises(UnreadableFile, match="the workbook has more than 10 text values"):
        read(path, cells_max=10)
    monkeypatch.setattr(workbook, "TEXT_BYTES_MAX", 500)
    with pytest.raises(UnreadableFile, match="text unpacks to more than"):
        read(path)
    monkeypatch.setattr(workbook, "SMALL_BYTES", 500)
    monkeypatch.setattr(workbook, "RATIO_MAX", 2)
    with pytest.raises(UnreadableFile, match="more than 2 times its size"):
        read(path)
