"""CSV that a spreadsheet opens without running what is in it."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

# A cell that begins with one of these is a formula to Excel, LibreOffice or Google Sheets; tab, carriage
# return and line feed let a second one in; the full-width forms are read as the plain ones.
FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
SKIPPED_BEFORE_SIGNS: Final = " \u00a0\u200b\ufeff"

ROWS_PER_PIECE: Final = 50  # between two pieces, a web process gives way to pages: some milliseconds apart
_BYTE_ORDER_MARK: Final = "\ufeff"  # without it, Excel reads UTF-8 as the code page of its system


def guard(text: str) -> str:
    """`text` as it may stand in a CSV cell: an apostrophe in front where a spreadsheet would see a formula.

    For words that people or payers wrote. Amounts are our own digits and stay numbers.
    """
    return f"'{text}" if text.lstrip(SKIPPED_BEFORE_SIGNS).startswith(FORMULA_SIGNS) else text


def csv_pieces(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the file, byte order mark first, in pieces of some hundred rows: a million claims never fill the memory."""
    buffer = io.StringIO(newline="")
    buffer.write(_BYTE_ORDER_MARK)
    writer = csv.writer(buffer)
    writer.writerow(head)
    for count, row in enumerate(rows, start=1):
        writer.writerow(row)
        if count % ROWS_PER_PIECE == 0:
            yield _emptied(buffer)
    yield _emptied(buffer)


def _emptied(buffer: io.StringIO) -> str:
    piece = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return piece
