"""CSV files whose cells a spreadsheet does not run as formulas."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

# Excel, LibreOffice and Google Sheets treat a cell that begins with one of these as a formula. Tab, carriage return and
# line feed start a second cell. Full-width forms count as well.
FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
SKIPPED_BEFORE_SIGNS: Final = " \u00a0\u200b\ufeff"

ROWS_PER_PIECE: Final = 50  # a web process serves pages between pieces, which take a few milliseconds each
_BYTE_ORDER_MARK: Final = "\ufeff"  # without it, Excel reads UTF-8 in the system's code page


def escape_formula(text: str) -> str:
    """Return `text` for a CSV cell, with an apostrophe in front if a spreadsheet would treat it as a formula.

    Use it for text from people or payers. Amounts are our own digits and stay numbers.
    """
    return f"'{text}" if text.lstrip(SKIPPED_BEFORE_SIGNS).startswith(FORMULA_SIGNS) else text


def csv_pieces(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the file, byte order mark first, in small pieces, so that a million claims do not fill memory."""
    buffer = io.StringIO(newline="")
    buffer.write(_BYTE_ORDER_MARK)
    writer = csv.writer(buffer)
    writer.writerow(head)
    for count, row in enumerate(rows, start=1):
        writer.writerow(row)
        if count % ROWS_PER_PIECE == 0:
            yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> str:
    piece = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return piece
