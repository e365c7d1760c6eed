"""An office's own export as a workbook, with one row for each invented claim."""

import csv
import datetime as dt
import io
from collections.abc import Sequence
from typing import Any

import xlsxwriter

HEADER = (
    "Claim #", "Patient #", "Patient Name", "DOS", "Primary Ins", "Charge", "Ins Paid", "Pt Paid", "Adj", "Ins Bal",
    "Pt Bal",
)  # fmt: skip
COLUMNS = dict(
    zip(
        HEADER,
        ("claim", "patient", "patient_name", "service_date", "primary_payer", "charge", "primary_paid", "patient_paid",
         "adjustment", "insurance_balance", "patient_balance"),
        strict=True,
    )
)  # fmt: skip
MAPPING = {"columns": COLUMNS, "dates": {"service_date": "YYYY-MM-DD"}}


def rows_of(count: int) -> list[list[Any]]:
    """Return claims whose balances follow from their charge, payments and adjustment."""
    rows: list[list[Any]] = []
    for number in range(count):
        charge, paid, adjusted = 100 + number % 7, 60 if number % 2 else 0, 10 if number % 3 else 0
        rest = charge - paid - adjusted
        insurance, patient = (0, rest) if paid else (rest, 0)
        person = number // 2
        day = dt.date(2026, 5, 1) + dt.timedelta(days=number % 60)
        payer = "Aetna" if number % 5 else "Medicare Part B"
        rows.append(
            [f"V{number:04}", f"P{person:03}", f"Sample, Petra {person}", day, payer, charge, paid, 0, adjusted,
             insurance, patient]
        )  # fmt: skip
    return rows


def next_day(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return the rows with a payment of $60.00 on the first claim and a different name for its patient."""
    changed = [list(row) for row in rows]
    changed[0][6] += 60
    changed[0][9] -= 60
    for row in changed:
        if row[1] == changed[0][1]:
            row[2] = "Example, Paula"
    return changed


def csv_file(rows: Sequence[Sequence[Any]], *more: str) -> bytes:
    """Return the rows as CSV. They may have more columns."""
    text = io.StringIO()
    csv.writer(text).writerows([[*HEADER, *more], *rows])
    return text.getvalue().encode()


def workbook(rows: Sequence[Sequence[Any]], *, sheets: Sequence[str] = ("A/R",)) -> bytes:
    """Return a workbook with real dates and numbers, with the same rows on each sheet."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "default_date_format": "mm/dd/yyyy"}) as book:
        for name in sheets:
            sheet = book.add_worksheet(name.replace("/", ""))
            for number, row in enumerate([HEADER, *rows]):
                sheet.write_row(number, 0, row)
    return content.getvalue()
