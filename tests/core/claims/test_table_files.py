"""Tables as XLSX: each cell reads back as it was, on any number of sheets."""

import datetime as dt
import gc
import io
import zipfile
from collections.abc import Iterator

import pytest
from python_calamine import CalamineWorkbook

from core.claims import export, workbook_file
from core.claims.export import Cell
from core.claims.table_files import Table, csv_file, xlsx_file
from core.enums.claims import ClaimType
from core.enums.exports import DateFormat

DAY = dt.date(2026, 2, 3)


def sheets(table: Table) -> dict[str, list[list[object]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(b"".join(xlsx_file(table))))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


@pytest.mark.parametrize(
    "text",
    ["", "a", " both ends ", "a | b", "|", "<b>&amp;</b>", "]]>", '"quoted"', "_x0041_", "_x", "line\nfeed", "tab\tin",
     "café", "\u00a0", "\u3000wide", "😀", "=1+1", "007", "1e5"],
)  # fmt: skip
@pytest.mark.parametrize("beside", ["plain", 5])
def test_a_text_reads_back_unchanged(text: str, beside: Cell) -> None:
    rows = sheets(Table(("name", "n"), [(beside, 1), (text, 1)], totals_row=False))["Sheet1"]

    assert rows[2][0] == text


def test_a_control_character_does_not_break_the_file() -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(xlsx_file(Table(("name",), [("a\x01b_x0041_",)]))))) as book:
        assert b"<t>a_x0001_b_x005F_x0041_</t>" in book.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("day", [dt.date(1900, 1, 1), dt.date(1900, 2, 28), dt.date(1900, 3, 1), DAY])
def test_a_date_is_a_date_in_the_tables_format(day: dt.date) -> None:
    table = Table(("day",), [(day,)], date_format=DateFormat.ISO)

    (_, (read,)) = sheets(table)["Sheet1"]

    assert read == day
    with zipfile.ZipFile(io.BytesIO(b"".join(xlsx_file(table)))) as book:
        assert b'formatCode="yyyy-mm-dd"' in book.read("xl/styles.xml")


@pytest.mark.parametrize("cents", [0, 1, -5, 819, 99_994, 999_999_999_99])
def test_an_amount_is_a_number_to_the_cent(cents: int) -> None:
    assert sheets(Table(("amount",), [(cents,)], totals_row=False))["Sheet1"][1] == [cents / 100]


def test_a_column_may_mix_kinds_of_cells() -> None:
    rows: list[list[Cell]] = [[DAY, 150], ["", ""], [ClaimType.PROFESSIONAL, -50]]
    table = Table(("when", "amount"), rows)

    assert sheets(table)["Sheet1"] == [["when", "amount"], [DAY, 1.5], ["", ""], ["Professional", -0.5], ["Total", 1.0]]
    assert "".join(csv_file(table)).splitlines()[1:] == ["02/03/2026,1.50", ",", "Professional,-0.50", "Total,1.00"]


@pytest.mark.parametrize(("rows", "sizes"), [(0, [1]), (4, [6]), (7, [5, 5]), (9, [5, 5, 3])])
def test_a_full_sheet_is_followed_by_another_with_the_same_header(
    monkeypatch: pytest.MonkeyPatch, rows: int, sizes: list[int]
) -> None:
    """The totals row stands under the last row."""
    monkeypatch.setattr(workbook_file, "SHEET_ROWS_MAX", 4)
    read = sheets(Table(("name", "cents"), [(f"row {n}", n) for n in range(rows)]))

    assert [len(sheet) for sheet in read.values()] == sizes
    assert all(sheet[0] == ["name", "cents"] for sheet in read.values())
    assert [row[0] for sheet in read.values() for row in sheet[1:]][:rows] == [f"row {n}" for n in range(rows)]


def test_a_sheet_ends_before_its_xml_is_too_large_to_unzip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_file, "SHEET_BYTES_MAX", 1)
    monkeypatch.setattr(export, "ROWS_PER_PIECE", 2)

    read = sheets(Table(("name",), [(f"row {n}",) for n in range(5)], totals_row=False))

    assert [len(sheet) for sheet in read.values()] == [3, 3, 2]


def test_an_error_in_the_rows_is_raised_and_closes_the_file() -> None:
    def rows() -> Iterator[tuple[str]]:
        yield ("one",)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        b"".join(xlsx_file(Table(("name",), rows())))
    gc.collect()  # an open file would warn, and a warning is an error
