"""`settle import csv --template`: write example files in the documented format, which can be imported unchanged."""

import csv
from pathlib import Path
from typing import Final

from core.errors import Refusal
from core.intake.csv import csv_format

_ROWS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    csv_format.BILLING_STATUSES.name: (("Sent to Collections",),),
    csv_format.OFFICES.name: (("MAIN", "Main Street Office"),),
    csv_format.PROVIDERS.name: (
        ("9000000001", "Example, Ada, MD"),
        ("9000000002", "Example, Bram, NP"),
    ),
    csv_format.PAYERS.name: (
        ("10001", "Example Health Plan", "commercial"),
        ("20001", "Medicare", "medicare"),
    ),
    csv_format.PATIENTS.name: (
        ("P-1", "Sample, Petra", "1980-02-28"),
        ("P-2", "Sample, Otis", ""),
    ),
    csv_format.CLAIMS.name: (
        (
            *("184146026", "P-1", "MAIN", "9000000001", "", "Professional", "2025-03-04", "09:15", "Balance Due"),
            *("10001", "ERA Received", "", "", "", "110.00", "88.00", "2025-03-05", "2025-03-05"),
            *("1", "2025-04-10", "", "", ""),
        ),
        (
            *("184146027", "P-2", "MAIN", "9000000002", "9000000001", "", "2025-03-04", "", "Bill Insurance"),
            *("20001", "In Process at Payer", "10001", "none", "", "", "", "2025-03-06", "2025-03-20"),
            *("", "", "", "", ""),
        ),
    ),
    csv_format.LINE_ITEMS.name: (
        ("184146026", "1", "99213", "150.00", "insurance"),
        ("184146026", "2", "36415", "0.00", "insurance"),
        ("184146027", "1", "99214", "220.50", "insurance"),
    ),
    csv_format.POSTINGS.name: (
        ("1", "184146026", "1", "insurance", "adjustment", "-40.00", "", "CO", "45", "2025-03-20"),
        ("2", "184146026", "1", "insurance", "payment", "-88.00", "primary", "", "", "2025-03-20"),
        ("3", "184146026", "1", "insurance", "transfer", "-22.00", "", "", "", "2025-03-20"),
        ("4", "184146026", "1", "patient", "transfer", "22.00", "", "", "", "2025-03-20"),
        ("5", "184146026", "1", "patient", "payment", "-10.00", "patient", "", "", "2025-04-02"),
    ),
}


class TemplateExists(Refusal):
    """A file of the template already exists. Nothing was written."""

    code = "template_in_the_way"


def template_files() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return the rows of each template file by name, header first."""
    return {file.name: (tuple(c.name for c in file.columns), *_ROWS[file.name]) for file in csv_format.FORMATS}


def write_template(path: Path) -> None:
    """Write the template's files into the folder `path`, created if needed. Raise `TemplateExists`."""
    files = template_files()
    standing = sorted(name for name in files if (path / name).exists())
    if standing:
        raise TemplateExists(f"{path} already contains {', '.join(standing)}. Nothing was written.")
    path.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        with (path / name).open("x", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
