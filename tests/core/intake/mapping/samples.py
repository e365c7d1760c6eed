"""Five exports as practice-management systems write them, all invented. Each ties to the totals beside it."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlsxwriter


@dataclass(frozen=True)
class Sample:
    """An export, and what its own report says: claims, and balances in cents."""

    name: str
    write: Callable[[Path], None]
    claims: int
    insurance_cents: int
    patient_cents: int
    rows: str = "claim"


def write_workbook(path: Path, sheets: dict[str, Sequence[Sequence[Any]]]) -> None:
    """Write a workbook with real dates and numbers."""
    with xlsxwriter.Workbook(path, {"default_date_format": "mm/dd/yyyy"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)


def _aging_report(path: Path) -> None:
    """Balances only, with a title above the header and a totals row below the claims."""
    path.write_text(
        "Lakeside Family Medicine,,,,,,\n"
        "Outstanding A/R by visit - run 11/22/2026,,,,,,\n"
        "\n"
        "Acct #,Visit #,Patient,DOS,Primary Ins,Ins Bal,Pt Bal\n"
        '1001,V-1,"Sample, Petra",3/14/2026,Aetna,"$1,234.56",$0.00\n'
        '1002,V-2,"Sample, Otis",3/4/2026,Medicare Part B,$0.00,$45.10\n'
        '1002,V-3,"Sample, Otis",5/30/2026,Medicare Part B,($12.34),$7.00\n'
        '1003,V-4,"Example, Ann",6/1/2026,Self Pay,$0.00,($3.00)\n'
        'Totals,,,,,"$1,222.22",$49.10\n',
        encoding="utf-8",
    )


def _line_items(path: Path) -> None:
    """A workbook with one row for each service line."""
    header = [
        "Claim ID", "Chart #", "Last Name", "First Name", "DOB", "DOS", "Rendering Provider", "Facility",
        "Primary Payer", "Line #", "CPT Code", "Charges", "Ins Pmts", "Pt Pmts", "Adj", "Ins Due", "Pt Due",
    ]  # fmt: skip
    ann = [77, "Example", "Ann", dt.date(1950, 1, 31), dt.date(2026, 2, 3), "Example, Ada, MD", "North", "BCBS"]
    bob = [78, "Example", "Bob", dt.date(1990, 7, 4), dt.date(2026, 2, 4), "Example, Ada, MD", "North", "Medicaid"]
    write_workbook(path, {"Line items": [
        header,
        [501, *ann, 1, "99213", 150, 88, 10, 40, 0, 12],
        [501, *ann, 2, "36415", 25.5, 0, 0, 5.25, 20.25, 0],
        [502, *bob, 1, "99214", 220.1, 0, 0, 0, 220.1, 0],
    ]})  # fmt: skip


def _ledger_export(path: Path) -> None:
    """UTF-16 with tabs, payments below zero, minus signs behind the amount, and one balance with who owes it."""
    rows = (
        "Encounter No\tMRN\tPatient Name\tBirth Date\tSvc Date\tPayer\tBilled Amt\tPayer Paid\tAdjs\tBalance\tResp",
        "9001\tM1\tExample, Ann\t01/31/1950\t02/13/2026\tUnited Healthcare\t300.00\t120.00-\t80.00-\t100.00\tI",
        "9002\tM2\tExample, José\t07/04/1990\t02/14/2026\tTricare West\t80.00\t50.00-\t0.00\t30.00\tP",
        "9003\tM3\tExample, Eve\t12/24/1990\t02/15/2026\tCigna\t60.00\t75.00-\t0.00\t15.00-\tI",
    )
    path.write_text("\n".join(rows) + "\n", encoding="utf-16")


def _charges_by_line(path: Path) -> None:
    """Windows-1252 with pipes and month names. Each line has the total and the patient's balance."""
    rows = (
        "Ticket #|Pt Name|Acct No|From Date|Carrier|Proc|Chg Amt|Total Balance|Patient Bal|Billing Status",
        "T1|Muñoz, Eva|5|13-Feb-2026|Humana|99213|100.00|30.00|10.00|Open Ins",
        "T1|Muñoz, Eva|5|13-Feb-2026|Humana|85025|20.00|20.00|.00|Open Ins",
        "T2|Example, Max|6|01-Mar-2026|Humana|99214|200.00|200.00|200.00|Patient",
    )
    path.write_text("\r\n".join(rows) + "\r\n", encoding="windows-1252")


def _accounting_workbook(path: Path) -> None:
    """A workbook with a cover sheet, credits as CR, and charges without payments."""
    header = ["Invoice #", "Patient", "Patient Acct", "Date of Service", "Insurance", "Charge", "Insurance Balance",
              "Patient Balance"]  # fmt: skip
    day = dt.date(2026, 10, 5)
    write_workbook(path, {"Cover": [["Prepared for the accountant"]], "Open AR": [
        header,
        ["I-1", "Example, Ann", "A1", day, "Aetna", 500, "125.00", "0.00"],
        ["I-2", "Example, Bob", "A2", day, "Aetna", 90, "0.00", "10.00 CR"],
    ]})  # fmt: skip


SAMPLES = [
    Sample("aging.csv", _aging_report, 4, 1_222_22, 49_10),
    Sample("lines.xlsx", _line_items, 2, 240_35, 12_00, rows="line"),
    Sample("ledger.txt", _ledger_export, 3, 85_00, 30_00),
    Sample("charges.txt", _charges_by_line, 2, 40_00, 210_00, rows="line"),
    Sample("accounting.xlsx", _accounting_workbook, 2, 125_00, -10_00),
]
