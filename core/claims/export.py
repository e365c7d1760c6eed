"""CSV files whose cells a spreadsheet does not run as formulas."""

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

# Excel, LibreOffice and Google Sheets treat a cell that begins with one of these as a formula. Tab, carriage return and
# line feed start a second cell. Full-width forms count as well.
FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
SKIPPED_BEFORE_SIGNS: Final = " \u00a0\u200b\ufeff"

ROWS_PER_PIECE: Final = 200  # a web process serves pages between pieces, which take a few milliseconds each
_MAY_START_A_FORMULA: Final = frozenset((*FORMULA_SIGNS, *SKIPPED_BEFORE_SIGNS))
_BYTE_ORDER_MARK: Final = "\ufeff"  # without it, Excel reads UTF-8 in the system's code page

Row = TypeVar("Row")
Cell = str | int | dt.date  # a text, an amount in cents, or a date


def escape_formula(text: str) -> str:
    """Return `text` for a CSV cell, with an apostrophe in front if a spreadsheet would treat it as a formula.

    Use it for text from people or payers. Amounts are our own digits and stay numbers.
    """
    return f"'{text}" if text.lstrip(SKIPPED_BEFORE_SIGNS).startswith(FORMULA_SIGNS) else text


def escape_formulas(texts: Iterable[str]) -> list[str]:
    """Do the same for a column. The check of the first character takes a fifth of the time."""
    return [escape_formula(text) if text[:1] in _MAY_START_A_FORMULA else text for text in texts]


def kind_of(column: Sequence[Cell]) -> type | None:
    """Return the type of every cell in the column, or None if they differ.

    Writing a column at a time takes a third of the time, because it needs no check for each cell.
    """
    kinds = set(map(type, column))
    return kinds.pop() if len(kinds) == 1 else None


def csv_pieces(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the file, byte order mark first, in small pieces, so that a million claims do not fill memory."""
    buffer = io.StringIO(newline="")
    buffer.write(_BYTE_ORDER_MARK)
    writer = csv.writer(buffer)
    writer.writerow(head)
    for batch in in_batches(rows):
        writer.writerows(batch)
        yield _drain(buffer)
    if buffer.tell():  # no rows
        yield _drain(buffer)


def in_batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in lists of `ROWS_PER_PIECE`."""
    left = iter(rows)
    while batch := list(islice(left, ROWS_PER_PIECE)):
        yield batch


def _drain(buffer: io.StringIO) -> str:
    piece = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return piece
