"""Rows that are read in blocks are the rows that are read one by one: no row is skipped, doubled or changed."""

import random
import re
from pathlib import Path

import pytest

from core.intake.csv import csv_format
from core.intake.parsing import lines
from core.intake.parsing.copy_text import copy_field
from core.intake.parsing.faults import Fault, Faults
from core.intake.parsing.fields import FileFormat
from core.intake.parsing.folder import Folder
from core.intake.parsing.header import parse_header
from core.intake.parsing.lines import Block
from core.intake.parsing.plain_blocks import PlainBlocks

ROWS = 6_000  # several blocks; the first one has the header and is read row by row
ODD_AT = 4_000  # in the second
CLAIM = "A1,P-1,O1,B1,,Professional,2025-03-04,09:30,Balance Due,62308,ERA Received,,,,80.00,70,2025-03-05,"
POSTING = "X1,A1,1,insurance,payment,-20.05,primary,,,2025-04-01"
ODD_POSTINGS = (
    "X2,A1,1,insurance,refund,0.50,primary,,,2025-04-01",
    "X3,A1,1,insurance,adjustment,-0007.00,,CO,45,2025-04-01",
    "X4,A1,1,insurance,payment,-5,primary,,,2025-04-01",
    "X5 , A1,1,insurance,payment,-5.5,primary,,,2025-04-01",
    '"X6","A\\1",1,insurance,payment,-5.00,primary,,,2025-04-01',
    '"X,7",A1,1,insurance,payment,-5.00,primary,,,2025-04-01',
    "X8,A1,1,insurance,payment,0.00,primary,,,2025-04-01",
    "X9,A1,1,insurance,payment,5.00,primary,,,2025-04-01",
    "X10,A1,1,insurance,payment,-5.00,,,,2025-04-01",
    "X11,A1,1,insurance,refund,-5.00,primary,,,2025-04-01",
    "X12,A1,1,insurance,payment,-5.00,primary,CO,45,2025-04-01",
    "X13,A1,1,insurance,payment,-5.001,primary,,,2025-04-01",
    "X14,A1,1,insurance,payment,(5.00),primary,,,2025-04-01",
    "1.84146E+17,A1,1,insurance,payment,-5.00,primary,,,2025-04-01",
    "X\u200b15,A1,1,insurance,payment,-5.00,primary,,,2025-04-01",
    f"{'X' * 101},A1,1,insurance,payment,-5.00,primary,,,2025-04-01",
    ",A1,1,insurance,payment,-5.00,primary,,,2025-04-01",
    "#N/A,A1,1,insurance,payment,-5.00,primary,,,2025-04-01",
    "X16,A1,1,insurance",
    "X17,A1,1,insurance,payment,-5.00,primary,,,2025-04-01,",
    "X18,A1,1,insurance,payment,-5.00,primary,,,2025-04-01,more",
    "X19",
    "",
    ",,,,,,,,,",
    "X20,A1,1,insurance,payment,-5.00,primary,,,2025-04-01\r",
    "X21,A1\r,1,insurance,payment,-5.00,primary,,,2025-04-01",
    "X22,A1\0,1,insurance,payment,-5.00,primary,,,2025-04-01",
    'X23,"A1,1,insurance,payment,-5.00,primary,,,2025-04-01',
    'X24,A"1,1,insurance,payment,-5.00,primary,,,2025-04-01',
    ",".join(column.name for column in csv_format.POSTINGS.columns),
    "X25,A1,1,insurance,payment,-5.00,primary,,,2025-02-30",
    "X26,A1,0,insurance,payment,-5.00,primary,,,2025-04-01",
    "X27,A1,٣,insurance,payment,-٣.00,primary,,,2025-04-01",
)  # fmt: skip


def written(folder: Path, file: FileFormat, rows: list[str], *, end: str = "\n", is_old: bool = False) -> Path:
    """Write a file with these rows below its header. An old file lacks the columns that it may. Return the folder."""
    header = ",".join(column.name for column in file.columns if not (is_old and column.may_be_absent))
    (folder / file.name).write_bytes(end.join([header, *rows, ""]).encode())
    return folder


def one_by_one(folder: Path, file: FileFormat) -> tuple[list[list[str]], list[Fault], object]:
    """Return the rows as fields, every fault, and how many rows were read."""
    faults: list[Fault] = []
    reader = Folder(folder, (file,), faults=Faults(each=faults.append))
    rows = [
        [str(row.at), *(copy_field(c.staged(v)) for c, v in zip(file.columns, row.values, strict=True))]
        for row in reader.rows(file)
    ]
    return rows, faults, reader.rows_read


def in_blocks(folder: Path, file: FileFormat) -> tuple[list[list[str]], list[Fault], object]:
    """Return the same from the text for COPY."""
    faults: list[Fault] = []
    reader = Folder(folder, (file,), faults=Faults(each=faults.append))
    text = "".join(reader.copy_text(file))
    rows = [[_without_zeros(field) for field in row.split("\t")] for row in text.removesuffix("\n").split("\n")]
    return rows, faults, reader.rows_read


def _without_zeros(field: str) -> str:
    """Return an amount such as -005 as -5."""
    return str(int(field)) if re.fullmatch(r"-?0\d+", field) else field


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("odd", ODD_POSTINGS)
def test_a_posting_of_any_kind_is_read_in_a_block_as_it_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str, end: str
) -> None:
    monkeypatch.setattr(lines, "_BLOCK_BYTES", 4_096)  # so that a few hundred rows fill several blocks
    rows = [POSTING] * 300
    rows[150] = odd
    folder = written(tmp_path, csv_format.POSTINGS, rows, end=end)

    assert in_blocks(folder, csv_format.POSTINGS) == one_by_one(folder, csv_format.POSTINGS)


@pytest.mark.parametrize("seed", range(5))
def test_many_odd_postings_are_read_in_blocks_as_they_are_read_alone(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = [chance.choice(ODD_POSTINGS) if chance.random() < 0.001 else POSTING for _ in range(ROWS)]
    folder = written(tmp_path, csv_format.POSTINGS, rows)

    assert in_blocks(folder, csv_format.POSTINGS) == one_by_one(folder, csv_format.POSTINGS)


def test_two_short_rows_that_fill_one_are_not_read_as_one(tmp_path: Path) -> None:
    rows = [POSTING] * ROWS
    rows[ODD_AT:ODD_AT] = ["X30,A1,1,insurance,adjustment,-5.00", ",,2025-04-01"]
    folder = written(tmp_path, csv_format.POSTINGS, rows)

    _, faults, _ = in_blocks(folder, csv_format.POSTINGS)

    assert [fault.line for fault in faults if "too short" in fault.cure] == [ODD_AT + 2, ODD_AT + 3]


def test_postings_with_a_faulty_last_block_and_no_final_line_end_are_all_read(tmp_path: Path) -> None:
    folder = written(tmp_path, csv_format.POSTINGS, [POSTING] * ROWS)
    path = folder / csv_format.POSTINGS.name
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))

    assert in_blocks(folder, csv_format.POSTINGS) == one_by_one(folder, csv_format.POSTINGS)
    assert len(in_blocks(folder, csv_format.POSTINGS)[0]) == ROWS


def test_a_byte_that_is_not_utf8_is_named_at_its_place_in_the_file(tmp_path: Path) -> None:
    folder = written(tmp_path, csv_format.POSTINGS, [POSTING] * ROWS)
    path = folder / csv_format.POSTINGS.name
    whole = path.read_bytes()
    at = len(whole) * 2 // 3
    path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])

    _, faults, _ = in_blocks(folder, csv_format.POSTINGS)

    assert [fault.line for fault in faults] == [whole.count(b"\n", 0, at) + 1]
    assert f"byte {at + 1} of the file (0xFF" in faults[0].cure


def test_claims_and_lines_and_quoted_names_are_read_in_blocks_as_they_are_read_alone(tmp_path: Path) -> None:
    patients = [f'P-{n},"Sample, Ann ""{n}""",' for n in range(ROWS)]
    for file, rows in (
        (csv_format.CLAIMS, [CLAIM.replace("A1,", f"A-{n},") + f",{n % 5},,2025-04-01,CO,29" for n in range(ROWS)]),
        (csv_format.LINE_ITEMS, [f"A{n},{n % 3 + 1},99213,{n / 100:.2f},insurance" for n in range(ROWS)]),
        (csv_format.PATIENTS, patients),
    ):
        folder = written(tmp_path, file, rows)

        assert in_blocks(folder, file) == one_by_one(folder, file)


def test_an_old_file_that_lacks_optional_columns_is_read_in_blocks_too(tmp_path: Path) -> None:
    rows = [CLAIM.replace("A1,", f"A-{n},") for n in range(ROWS)]
    folder = written(tmp_path, csv_format.CLAIMS, rows, is_old=True)

    assert in_blocks(folder, csv_format.CLAIMS) == one_by_one(folder, csv_format.CLAIMS)

    header = parse_header([(1, _header_of(folder))], csv_format.CLAIMS, Faults())
    assert header is not None
    plain = PlainBlocks(header, csv_format.CLAIMS).text(Block(2, begins=0, lines="\n".join(rows).encode()))
    assert plain is not None, "no row needed a closer look"
    assert plain.rows == ROWS


def _header_of(folder: Path) -> list[str]:
    with (folder / csv_format.CLAIMS.name).open() as file:
        return file.readline().rstrip().split(",")
