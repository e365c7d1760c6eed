"""Read claim numbers from a CSV, XLSX or text file, with the readers and limits of imports."""

from collections.abc import Collection
from pathlib import Path

from core.intake.claim_list.read_text import (
    BadClaimList,
    ClaimList,
    claim_column,
    collect,
    column_cells,
    read_text,
)
from core.intake.mapping import text_file
from core.intake.mapping.office_file import OfficeFile, UnsplitRow
from core.intake.mapping.workbook import CELLS_OF_REQUEST_MAX
from core.intake.parsing.lines import UnreadableFile


def read_file(path: Path, *, name: str, kept: Collection[str] = ()) -> ClaimList:
    """Read the claim numbers of the file, which messages call `name`. Raise `BadClaimList` and `NoSuchFile`."""
    try:
        file = OfficeFile(path, cells_max=CELLS_OF_REQUEST_MAX)
        if file.is_workbook:
            return _read_workbook(file, kept)
        return read_text("".join(line for _, line in text_file.read_text_lines(path, file.encoding.name)), kept=kept)
    except UnreadableFile as stop:
        raise BadClaimList(f"{name}, line {stop.line}: {stop.cure}.") from None


def _read_workbook(file: OfficeFile, kept: Collection[str]) -> ClaimList:
    """Read the only sheet with values, or the only one with a heading of claim numbers."""
    sheets = [rows for rows in (_rows(file, sheet) for sheet in file.sheets) if rows]
    if len(sheets) > 1:
        sheets = [rows for rows in sheets if claim_column(rows)]
        if len(sheets) != 1:
            raise BadClaimList(
                "The workbook has several sheets, and it is not clear which one has the claim numbers. "
                "Save that sheet as its own file."
            )
    if not sheets:
        raise BadClaimList("The workbook contains no values.")
    (rows,) = sheets
    used = {column for cells in rows for column, cell in enumerate(cells) if cell.strip()}
    if len(used) == 1:
        (column,) = used
        return read_text("\n".join(cells[column] for cells in rows if column < len(cells)), kept=kept)
    heading = claim_column([cells if sum(map(bool, cells)) > 1 else [] for cells in rows]) or claim_column(rows)
    if heading is None:
        raise BadClaimList(
            f"The sheet has {len(used)} columns, and no heading says which one has the claim numbers. "
            "Add a heading such as Claim #, or keep only that column."
        )
    return collect(column_cells(rows, *heading))


def _rows(file: OfficeFile, sheet: str) -> list[list[str]]:
    rows = (row[1] for row in file.rows(sheet) if not isinstance(row, UnsplitRow))
    return [cells for cells in rows if any(map(str.strip, cells))]
