"""Numbers of a list against the practice's claims."""

import datetime as dt
from collections.abc import Sequence

import pytest
from sqlalchemy import event

from core.claims import feed
from core.db.engine import Sessions
from core.enums.claims import Hold
from core.enums.jobs import JobStatus
from core.intake.claim_list import check
from core.intake.claim_list.check import ListCheck, MissingNumber
from core.jobs import prepare
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice

OWES = Line(1_000, 0)


def checked(practice: GivenPractice, *numbers: str) -> ListCheck:
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        return check.check(session, practice.id, numbers, terms)


def test_numbers_are_found_with_their_statuses_and_what_keeps_them_from_being_settled(practice: GivenPractice) -> None:
    for number in ("1", "2", "3"):
        practice.claim(number, OWES, billing_status="Bill Insurance")
    practice.claim("4", OWES, hold=Hold.LEGAL, billing_status="Internal Review")
    practice.claim("5", OWES, service_date=TODAY + dt.timedelta(days=1), billing_status="Bill Insurance")
    practice.claim("6", billing_status="Settled")

    found = checked(practice, "6", "5", "4", "3", "2", "1", "7")

    assert found.found == 6
    assert dict(found.statuses) == {"Bill Insurance": 4, "Internal Review": 1, "Settled": 1}
    assert {one.code: (one.claims, one.first) for one in found.blocked} == {
        "already_settled": (1, ("6",)), "future_service": (1, ("5",)), "on_hold": (1, ("4",)),
    }  # fmt: skip
    assert [one.number for one in found.missing] == ["7"]


@pytest.mark.parametrize(
    ("number", "near"),
    [
        ("123", ("00123",)),  # Excel dropped the zeros
        ("000123", ("00123",)),
        ("c-7", ("C-7",)),
        ("C\u20137", ("C-7",)),  # an e-mail program replaced the hyphen
        ("#00123", ("00123",)),
        ("twin", ("TWIN", "Twin")),
        ("124", ()),
    ],
)
def test_a_similar_number_is_offered_and_never_taken(practice: GivenPractice, number: str, near: Sequence[str]) -> None:
    for known in ("00123", "C-7", "TWIN", "Twin"):
        practice.claim(known, OWES)

    found = checked(practice, number)

    assert (found.found, found.missing) == (0, (MissingNumber(number, tuple(near), None),))


def test_what_a_spreadsheet_did_to_a_number_is_explained(practice: GivenPractice) -> None:
    (one,) = checked(practice, "1.84E+17").missing

    assert one.damage is not None
    assert "scientific notation" in one.damage


def test_only_wanted_numbers_with_one_similar_claim_are_replaced() -> None:
    missing = [
        MissingNumber("1", ("01",), None), MissingNumber("2", ("02",), None), MissingNumber("x", ("X", "Xx"), None),
    ]  # fmt: skip

    assert check.with_similar(["01", "1", "2", "x", "9"], missing, {"1", "x"}) == ("01", "2", "x", "9")


def test_claims_of_another_practice_are_not_found(practice: GivenPractice, sessions: Sessions) -> None:
    other = a_practice(sessions, name="Harbor")
    other.claim("H1", OWES)
    other.claim("007", OWES)

    found = checked(practice, "H1", "7")

    assert (found.found, found.statuses, [one.near for one in found.missing]) == (0, (), [(), ()])


def test_separators_inside_numbers_are_those_of_the_practice(practice: GivenPractice, sessions: Sessions) -> None:
    a_practice(sessions, name="Harbor").claim("1;2", OWES)
    practice.claim("A 1", OWES)
    practice.claim("B,1", OWES)

    with practice.sessions() as session:
        assert check.separators_in_numbers(session, practice.id) == {",", " "}


def test_a_hundred_thousand_numbers_need_a_few_statements(practice: GivenPractice) -> None:
    practice.claims(2_000)
    practice.sql("ANALYZE claim")  # as an import does; otherwise PostgreSQL expects one claim and compares all pairs
    numbers = [f"c{n:05}" if n % 2 else f"C{n:05}" for n in range(1, 100_001)]
    statements: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(practice.sessions.kw["bind"], "before_cursor_execute", note)
    found = checked(practice, *numbers)

    assert (found.found, len(found.missing)) == (1_000, 99_000)
    assert sum(1 for one in found.missing if one.only_near) == 1_000
    assert len(statements) < 12


def test_a_list_becomes_a_job_that_names_it(practice: GivenPractice) -> None:
    practice.claims(3)

    key = practice.preview({"claim_numbers": ["C00001", "C00002", "nowhere", "C00001"]})

    job = practice.read_job(key)
    assert (job.claims_total, job.selection) == (2, {"claim_numbers": 3, "not_found": ["nowhere"]})


def test_a_worker_prepares_a_large_list(practice: GivenPractice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 1)
    practice.claims(3)
    key = practice.preview({"claim_numbers": ["C00001", "C00002", "nowhere"]})
    assert practice.read_job(key).status is JobStatus.PREPARING

    assert practice.do(prepare.prepare, key, now=NOW)

    job = practice.read_job(key)
    assert (job.status, job.claims_total) == (JobStatus.PREVIEWED, 2)
    assert job.selection == {"claim_numbers": 3, "not_found": ["nowhere"]}
