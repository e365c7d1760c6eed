"""The format document matches the format."""

import re
from pathlib import Path

from sqlalchemy import select

from core.db.engine import Sessions, transaction
from core.intake.csv import csv_format
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import template_files
from core.models.claims import Claim
from tests.factories import NOW

DOCUMENT = Path(__file__).parents[4] / "docs" / "import-format.md"


def test_the_document_names_every_file_and_column() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+(?:\.csv)?)`", text))

    columns = {column.name for file in csv_format.FORMATS for column in file.columns}

    assert columns | {file.name for file in csv_format.FORMATS} <= named


def test_the_documents_tables_list_exactly_the_columns_that_are_read() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for file in (csv_format.CLAIMS, csv_format.LINE_ITEMS, csv_format.POSTINGS):
        section = text.partition(f"## {file.name}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `([a-z_]+)` \|", section, flags=re.MULTILINE) == [c.name for c in file.columns]


def test_the_columns_documented_as_optional_are_those_that_may_be_empty() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.partition("## claims.csv\n")[2].partition("\n## ")[0]

    documented = re.findall(r"^\| `([a-z_]+)` \| optional", section, flags=re.MULTILINE)

    assert documented == [column.name for column in csv_format.CLAIMS.columns if column.optional]


def test_every_file_of_the_template_has_an_example() -> None:
    assert all(len(rows) > 1 for rows in template_files().values())


def test_the_balances_only_example_imports_with_the_balances_that_the_document_names(
    tmp_path: Path, sessions: Sessions
) -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("## Balances only\n")[2].partition("\n## ")[0]
    for name, content in re.findall(r"^`([a-z_]+\.csv)`\n```csv\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(content, encoding="utf-8")

    with transaction(sessions) as session:
        import_csv(session, tmp_path, practice_name="Lakeside", now=NOW)

    with sessions() as session:
        columns = (Claim.external_id, Claim.billed, Claim.insurance_due, Claim.patient_due)
        claims = session.execute(select(*columns).order_by(Claim.external_id)).all()
    assert [tuple(claim) for claim in claims] == [
        ("B-1", 150_00, 30_00, 0),
        ("B-2", 220_50, 0, 12_00),
        ("B-3", 90_00, 40_00, 10_00),
    ]
    prose = " ".join(section.split())
    assert "`B-1` was billed at 150.00 and insurance owes 30.00." in prose
    assert "`B-2` was billed at 220.50 and the patient owes 12.00." in prose
    assert "`B-3` was billed at 90.00, insurance owes 40.00 and the patient owes 10.00." in prose
