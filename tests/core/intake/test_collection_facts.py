"""Statements and denials come in by import, in our format and in an office's own, and follow the next day's file."""

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.claims import feed
from core.claims.claim_filter import ClaimFilter
from core.db.engine import Sessions, transaction
from core.intake.csv.csv_import import import_csv
from core.intake.loading.imported import Imported, ImportOptions
from core.intake.mapping.guess import guess_mapping
from core.intake.mapping.mapping import Mapping
from core.models.claims import Claim
from core.practices.practice_queries import find_by_name
from tests.core.intake.conftest import PRACTICE, FilesOfPractice
from tests.core.intake.mapping.conftest import COLUMNS, HEADER, OfficeFiles
from tests.factories import NOW, TODAY

FACTS = ("statements_sent", "last_statement_on", "denied_on", "denial_group", "denial_carc")
NUMBER = "184146027"
DENIAL = {"denied_date": "2025-04-01", "denial_group": "CO", "denial_carc": "197"}
STATEMENTS = {"statements_sent": "2", "last_statement_date": "2025-05-12"}
AS_GIVEN = (2, dt.date(2025, 5, 12), dt.date(2025, 4, 1), "CO", "197")


def facts_of(sessions: Sessions, number: str = NUMBER) -> tuple[Any, ...]:
    with sessions() as session:
        claim = session.scalars(select(Claim).where(Claim.external_id == number)).one()
        return tuple(getattr(claim, name) for name in FACTS)


def write(files: FilesOfPractice, *, without: tuple[str, ...] = (), **values: str) -> None:
    """Give the second claim of the template other values, or leave columns out of the file."""
    path = files.path / "claims.csv"
    with path.open(newline="", encoding="utf-8") as old:
        rows = list(csv.DictReader(old))
    rows[1].update(values)
    columns = [name for name in rows[0] if name not in without]
    with path.open("w", newline="", encoding="utf-8") as new:
        writer = csv.DictWriter(new, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def load(files: FilesOfPractice, **options: Any) -> Imported:
    with transaction(files.sessions) as session:
        return import_csv(session, files.path, practice_name=PRACTICE, now=NOW, options=ImportOptions(**options))


def test_a_file_of_our_format_brings_statements_and_denials(files: FilesOfPractice) -> None:
    write(files, **STATEMENTS, **DENIAL)

    load(files)

    assert facts_of(files.sessions) == AS_GIVEN
    assert facts_of(files.sessions, "184146026") == (1, dt.date(2025, 4, 10), None, None, None)
    with files.sessions() as session:
        practice = find_by_name(session, PRACTICE)
        terms = feed.terms_for(session, practice.id, now=NOW)
        denied = ClaimFilter.of({"denial_carc": "197"})
        page = feed.page(session, practice.id, denied, cursor=None, limit=9, terms=terms)
    assert [tuple(getattr(row, name) for name in FACTS) for row in page.rows] == [AS_GIVEN]


@pytest.mark.parametrize(
    ("column", "value", "cure"),
    [
        ("statements_sent", "-1", "write a whole number from 0 to 999"),
        ("statements_sent", "1000", "write a whole number from 0 to 999"),
        ("last_statement_date", "05/12/2025", "write the date as YYYY-MM-DD"),
        ("denied_date", "2025-02-30", "this date does not exist"),
        ("denial_group", "XX", "write one of: CO, PR, OA, PI"),
        ("denial_carc", "CO-197", "write only the claim adjustment reason code (CARC), such as 45"),
    ],
)
def test_a_bad_value_is_refused_with_its_place_and_cure(
    files: FilesOfPractice, column: str, value: str, cure: str
) -> None:
    write(files, **{column: value})

    (fault,) = files.faults()

    assert fault.startswith("claims.csv, line 3")
    assert column in fault
    assert cure in fault


def test_changed_facts_are_differences_that_can_be_taken_over(files: FilesOfPractice) -> None:
    load(files)
    write(files, **STATEMENTS, **DENIAL)

    listed = load(files)
    before = facts_of(files.sessions)
    taken = load(files, take_changes=True)

    assert before == (None,) * 5
    assert listed.differences.counts == {f"claim {name.replace('_', ' ')}": 1 for name in sorted(FACTS)}
    assert taken.differences.count == 5
    assert facts_of(files.sessions) == AS_GIVEN
    with files.sessions() as session:
        assert session.scalars(select(Claim.version).where(Claim.external_id == NUMBER)).one() == 2


def test_a_denial_that_was_overturned_is_cleared(files: FilesOfPractice) -> None:
    write(files, **DENIAL)
    files.replace("claims.csv", "2025-04-10,,,", "2025-04-10,2025-04-02,CO,29")
    load(files)
    write(files, **dict.fromkeys(DENIAL, ""))

    load(files, take_changes=True)

    assert facts_of(files.sessions)[2:] == (None, None, None)
    assert facts_of(files.sessions, "184146026")[2:] == (dt.date(2025, 4, 2), "CO", "29")


def test_a_file_without_these_columns_keeps_what_an_earlier_import_brought(files: FilesOfPractice) -> None:
    write(files, **STATEMENTS, **DENIAL)
    load(files)
    write(files, without=(*STATEMENTS, *DENIAL))

    again = load(files, take_changes=True)

    assert again.differences.count == 0
    assert facts_of(files.sessions) == AS_GIVEN


MORE = {
    "Stmts Sent": "statements_sent", "Last Stmt Date": "last_statement", "Denial Date": "denied_on",
    "Denial Code": "denial_carc",
}  # fmt: skip
MAPPING = Mapping.of({
    "columns": {**COLUMNS, **MORE},
    "dates": dict.fromkeys(("service_date", "last_statement", "denied_on"), "MM/DD/YYYY"),
})  # fmt: skip
CLAIM = "C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00"


@pytest.mark.parametrize(
    ("code", "group", "carc"),
    [("CO-197", "CO", "197"), ("co 29", "CO", "29"), ("PR96", "PR", "96"), ("B7", None, "B7")],
)
def test_an_offices_own_file_brings_them_through_its_mapping(
    tmp_path: Path, sessions: Sessions, code: str, group: str | None, carc: str
) -> None:
    office = OfficeFiles(tmp_path, sessions)
    path = office.csv(f"{CLAIM},2,05/12/2026,04/20/2026,{code}", header=f"{HEADER},{','.join(MORE)}")

    office.load(path, MAPPING)

    assert facts_of(sessions, "C1") == (2, dt.date(2026, 5, 12), dt.date(2026, 4, 20), group, carc)


def test_the_guess_recognizes_the_columns(tmp_path: Path, sessions: Sessions) -> None:
    office = OfficeFiles(tmp_path, sessions)
    path = office.csv(f"{CLAIM},2,05/13/2026,04/20/2026,CO-197", header=f"{HEADER},{','.join(MORE)}")

    guess = guess_mapping(path, today=TODAY)

    assert {header: str(field) for header, field in guess.mapping.columns.items() if header in MORE} == MORE


def test_a_claim_has_the_newest_denial_of_its_lines(tmp_path: Path, sessions: Sessions) -> None:
    office = OfficeFiles(tmp_path, sessions)
    mapping = Mapping.of({**MAPPING.model_dump(mode="json"), "rows": "line"})
    path = office.csv(
        f"{CLAIM},1,05/12/2026,,",
        f"{CLAIM},,,04/20/2026,CO-197",
        f"{CLAIM.replace('100.00', '50.00')},3,05/30/2026,04/21/2026,29",
        header=f"{HEADER},{','.join(MORE)}",
    )

    office.load(path, mapping)

    assert facts_of(sessions, "C1") == (3, dt.date(2026, 5, 30), dt.date(2026, 4, 21), None, "29")


def test_a_bad_denial_code_of_an_offices_file_is_refused_at_its_header(tmp_path: Path, sessions: Sessions) -> None:
    office = OfficeFiles(tmp_path, sessions)
    path = office.csv(f"{CLAIM},2,05/12/2026,04/20/2026,no auth", header=f"{HEADER},{','.join(MORE)}")

    (fault,) = office.faults(path, MAPPING)

    assert "Denial Code" in fault
    assert "write one claim adjustment reason code (CARC), such as 29 or CO-29" in fault
