"""Read claim numbers from pasted text: a list, or a table whose heading names the column of the claim numbers."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import BadInput
from core.intake.mapping import text_file
from core.intake.mapping.office_file import HEADER_ROWS
from core.intake.mapping.targets import Field, field_of_header, header_words
from core.intake.parsing.characters import is_hidden
from core.intake.parsing.lines import BadLine, split_fields
from core.jobs.preview.job_request import CLAIM_ID_CHARACTERS_MAX, CLAIM_NUMBERS_MAX

SEPARATORS: Final = ",;\t "
SPACE: Final = " "
PIECES_MAX: Final = 1_000_000  # with repeats; a longer text is refused before it is split
COLUMNS_MAX: Final = 1_000  # searched for the heading
CELL_CHARACTERS_MAX: Final = 1_000  # a longer cell is not cleaned, so that reading it stays fast
_SHOWN_CHARACTERS: Final = 40
_QUOTES: Final = "\"'\u2018\u2019\u201c\u201d"
_LABEL: Final = re.compile(r"\s*claims?\b\s*(#|no\.?|nos\.?|numbers?|ids?)?\s*:\s*", re.IGNORECASE)
_TOTALS_ROW: Final = re.compile(r"(grand )?totals?:?", re.IGNORECASE)  # the last row of a report or of our own files
_DIGIT: Final = re.compile(r"\d")
_NUMBER_AMONG_SPACES: Final = re.compile(r"[^\s$%/.:]*\d[^\s$%/.:]*")  # no date and no amount
_ONE_COLUMN: Final = (
    "Paste only the column with the claim numbers, or include the heading of that column, such as Claim #."
)


class BadClaimList(BadInput):
    """These claim numbers can't be read."""


@dataclass(frozen=True)
class ClaimList:
    """The numbers of a list, each once, in the order of the list. `read` also counts the repeats."""

    numbers: tuple[str, ...]
    read: int


def read_text(text: str, *, kept: Collection[str] = ()) -> ClaimList:
    """Read one number a line, or several separated by commas, semicolons, tabs, or spaces where that is safe.

    Separators in `kept` occur inside the practice's claim numbers and split nothing. Raise `BadClaimList`.
    """
    if "\0" in text:
        raise BadClaimList("The list contains a NUL character, so it is not plain text.")
    if max(map(text.count, "\n" + SEPARATORS)) > PIECES_MAX:
        raise BadClaimList(f"The list has more than {PIECES_MAX:,} values. Split it into smaller lists.")
    rows = [row for row in text.splitlines() if row.strip()]
    delimiter = text_file.detect_delimiter(rows[:HEADER_ROWS])
    heads = [_split_row(row, delimiter) for row in rows[:HEADER_ROWS]]
    # One cell alone is the heading of a list, or a title above the headings.
    heading = claim_column([cells if len(cells) > 1 else [] for cells in heads])
    if heading is None:
        return collect(_list_cells(rows, kept))
    return collect(column_cells([_split_row(row, delimiter) for row in rows], *heading))


def claim_column(rows: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Return the row and the column of the heading, or None. Raise `BadClaimList` if two columns fit."""
    for at, cells in enumerate(rows[:HEADER_ROWS]):
        scores = [_heading_score(cell) for cell in cells[:COLUMNS_MAX]]
        top = max(scores, default=(0, False))
        best = [column for column, score in enumerate(scores) if score == top and top[0]]
        if len(best) > 1:
            names = " and ".join(f"“{cells[column].strip()[:_SHOWN_CHARACTERS]}”" for column in best[:2])
            raise BadClaimList(f"Two columns could be the claim numbers: {names}. Paste only one of them.")
        if best:
            return at, best[0]
    return None


def column_cells(rows: Sequence[Sequence[str]], heading_at: int, column: int) -> Iterator[str]:
    """Yield the column's cells below the heading. A repeated heading, as on each page of a report, is skipped."""
    heading = rows[heading_at][column]
    for cells in rows[heading_at + 1 :]:
        if column < len(cells) and cells[column] != heading:
            yield clean(cells[column])


def collect(cells: Iterable[str]) -> ClaimList:
    """Return the list of the cells. Raise `BadClaimList` if it is empty or too long."""
    numbers: dict[str, None] = {}
    read = 0
    for cell in cells:
        if not cell or _TOTALS_ROW.fullmatch(cell):
            continue
        if len(cell) > CLAIM_ID_CHARACTERS_MAX:
            raise BadClaimList(
                f"“{cell[:_SHOWN_CHARACTERS]}…” is too long for a claim number. Write one claim number on each line."
            )
        read += 1
        numbers[cell] = None
        if len(numbers) > CLAIM_NUMBERS_MAX:
            raise BadClaimList(f"A list can have up to {CLAIM_NUMBERS_MAX:,} claim numbers. Split this list.")
    if not numbers:
        raise BadClaimList("The list contains no claim numbers.")
    return ClaimList(tuple(numbers), read)


def clean(cell: str) -> str:
    """Return the number without what a spreadsheet or an e-mail puts around it: spaces, quotes, `="…"`."""
    before = None
    while cell != before and len(cell) <= CELL_CHARACTERS_MAX:
        before = cell
        cell = cell.strip()
        while cell and is_hidden(cell[0]):
            cell = cell[1:]
        while cell and is_hidden(cell[-1]):
            cell = cell[:-1]
        cell = cell.removeprefix("=") if cell.startswith('="') else cell.strip(_QUOTES)
    return cell


def _heading_score(cell: str) -> tuple[int, bool]:
    """Return from 1 to 100 how well the cell fits a heading of claim numbers, or 0, and whether it says "claim"."""
    found = None if _DIGIT.search(cell) or len(cell) > CELL_CHARACTERS_MAX else field_of_header(cell)
    if found is None or found[0] is not Field.CLAIM:
        return 0, False
    return found[1], "claim" in header_words(cell)


def _split_row(row: str, delimiter: str) -> list[str]:
    try:
        return split_fields(row, delimiter)
    except BadLine:
        return row.split(delimiter)


def _list_cells(rows: Sequence[str], kept: Collection[str]) -> list[str]:
    """Return the cells of a list without a heading of several columns. Raise `BadClaimList` if it is a table."""
    separators = "".join(one for one in ",;\t" if one not in kept)
    split = [_pieces(row, separators, splits_spaces=SPACE not in kept) for row in rows]
    if len(rows) > 1 and _is_table(rows, split, separators):
        columns = max(map(len, split))
        raise BadClaimList(
            f"The list has {columns} columns, and no heading says which one has the claim numbers. {_ONE_COLUMN}"
        )
    cells = [piece for pieces in split for piece in pieces]
    heading = cells[0] if cells and _heading_score(cells[0])[0] else None
    return [cell for cell in cells if cell != heading]


def _pieces(row: str, separators: str, *, splits_spaces: bool) -> list[str]:
    row = _LABEL.sub("", row, count=1) if _LABEL.match(row) else row
    found = []
    for match in re.finditer(rf'[ ]*"((?:[^"]|"")*)"[ ]*(?=[{separators}]|$)|[^{separators}]+', row):
        if match[1] is not None:
            found.append(clean(match[1].replace('""', '"')))
            continue
        words = match[0].split() if splits_spaces else []
        are_numbers = len(words) > 1 and all(map(_NUMBER_AMONG_SPACES.fullmatch, map(clean, words)))
        found += map(clean, words if are_numbers else [match[0]])
    return [piece for piece in found if piece]


def _is_table(rows: Sequence[str], split: Sequence[Sequence[str]], separators: str) -> bool:
    """Return whether all rows have the same several cells, so that other columns would be read as claim numbers."""
    tabs = {row.count("\t") for row in rows}
    if "\t" in separators and len(tabs) == 1 and tabs != {0}:
        return True
    widths = {len(pieces) for pieces in split}
    wrapped = any(row.rstrip().endswith(tuple(separators)) for row in rows)  # a list that continues on the next line
    return len(widths) == 1 and widths != {1} and not wrapped
