"""The search box finds claims, patients and jobs of one practice by any form of their name, number or amount."""

import datetime as dt

import pytest

from core import search
from core.claims import feed
from core.db.engine import Sessions
from core.enums.people import Role
from core.search import Found, Kind, Search
from tests.factories import NOW, GivenPractice, Line, a_practice


def find(practice: GivenPractice, typed: str, *, listed: Kind | None = None) -> Found:
    """Search. Check that the feed's filters find the same claims."""
    wanted = Search.of(typed)
    assert wanted is not None
    with practice.sessions() as session:
        found = search.find(session, practice.id, wanted, listed=listed)
        terms = feed.terms_for(session, practice.id, now=NOW)
        for kind, group in ((Kind.CLAIMS, found.claims), (Kind.AMOUNTS, found.amounts)):
            if group.count:
                assert feed.totals(session, practice.id, wanted.filter_of(kind), terms).claims == group.count
        session.expunge_all()
    return found


def claims(practice: GivenPractice, typed: str) -> list[str]:
    return [hit.claim_id for hit in find(practice, typed).claims.rows]


def amounts(practice: GivenPractice, typed: str) -> list[str]:
    return [hit.claim_id for hit in find(practice, typed).amounts.rows]


def patients(practice: GivenPractice, typed: str) -> list[str]:
    return [hit.name for hit in find(practice, typed).patients.rows]


def jobs(practice: GivenPractice, typed: str) -> list[int]:
    return [job.id for job in find(practice, typed).jobs.rows]


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("184601", ["184601"]),
        ("46", ["184601", "A_46%b"]),
        ("601", ["60199", "184601", "X-601"]),  # numbers that begin with it come first
        ("60199", ["60199"]),
        ("x-601", ["X-601"]),
        ("_4", ["A_46%b"]),
        ("6%", ["A_46%b"]),
        ("%%", []),
        ("__", []),
        ("a\\", []),
        ("'; --", []),
    ],
)
def test_a_claim_is_found_by_any_part_of_its_number(practice: GivenPractice, typed: str, numbers: list[str]) -> None:
    for number in ("184601", "60199", "X-601", "A_46%b"):
        practice.claim(number, Line(1_000, 500))

    assert claims(practice, typed) == numbers


def test_the_exact_number_comes_first_even_among_more_claims_than_are_counted(practice: GivenPractice) -> None:
    practice.alike([f"{index:05}-77" for index in range(search.COUNTED_MAX + 5)], Line(100, 0))
    practice.claim("77", Line(100, 0))

    found = find_without_feed(practice, "77")

    assert found.claims.rows[0].claim_id == "77"
    assert len(found.claims.rows) == search.ROWS_SHOWN
    assert found.claims.has_uncounted


def find_without_feed(practice: GivenPractice, typed: str) -> Found:
    wanted = Search.of(typed)
    assert wanted is not None
    with practice.sessions() as session:
        return search.find(session, practice.id, wanted)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("Ana Ortiz", ["Ortiz, Ana"]),
        ("ortiz, ana", ["Ortiz, Ana"]),
        ("Ortiz Ana", ["Ortiz, Ana"]),
        ("ort", ["Ortiz, Ana", "Ortiz, Luis"]),
        ("Luis M. O'Brien", ["Luis M. O'Brien"]),
        ("o'brien, luis", ["Luis M. O'Brien"]),
        ("Émile", ["Émile Zola"]),
        ("P-77", ["Émile Zola"]),
        ("77", ["Émile Zola"]),
        ("An%", []),
        ("O_", []),
        (", ,", []),
        ("Ortiz Zoe", []),
    ],
)
def test_a_patient_is_found_by_the_name_in_either_order_or_by_number(
    practice: GivenPractice, typed: str, names: list[str]
) -> None:
    for number, name in (
        ("1-a", "Ortiz, Ana"),
        ("1-b", "Ortiz, Luis"),
        ("1-c", "Luis M. O'Brien"),
        ("P-77", "Émile Zola"),
    ):
        practice.patient(name, number=number)

    assert patients(practice, typed) == names


def test_a_claim_is_found_by_an_amount_billed_or_open(practice: GivenPractice) -> None:
    practice.claim("insurance", Line(123_456, 100))
    practice.claim("patient", Line(100, 123_456))
    practice.claim("total", Line(123_000, 456))
    practice.claim("credit", Line(-500, 0))
    practice.claim("none", Line(123_457, 0))

    for typed in ("$1,234.56", "1,234.56", "1234.56", "$1234.56"):
        assert sorted(amounts(practice, typed)) == ["insurance", "patient", "total"], typed
    assert amounts(practice, "-$5.00") == ["credit"]
    assert find(practice, "123456").amounts.count == 0  # a claim number or a job, not dollars
    assert find(practice, "12.345").amounts.count == 0


def test_a_job_is_found_by_number_requester_reason_note_or_amount(practice: GivenPractice) -> None:
    practice.claim("1", Line(12_345, 600))
    practice.claim("2", Line(100, 0))
    ruth = practice.person("ruth.gray@lakeside.example", Role.ADMIN)
    done = practice.settle({"claim_ids": ["1"]}, note="Year-end 100% cleanup", key="first").job_id
    previewed = practice.preview({"claim_ids": ["2"]}, by=ruth, reason="charity", key="second").job_id
    practice.sql("UPDATE settle_job SET practice_reason = '{}' WHERE id = :id", id=previewed)  # as in earlier versions

    assert jobs(practice, "biller") == [done]
    assert jobs(practice, "ruth.gray") == jobs(practice, "charity") == [previewed]
    assert jobs(practice, "small bal") == [done]
    assert jobs(practice, "100%") == jobs(practice, "year-end") == [done]
    assert jobs(practice, "100_") == []
    assert jobs(practice, "$129.45") == [done]
    assert jobs(practice, "1.00") == [previewed]


def test_a_job_with_one_digit_is_found_by_every_form_of_its_number(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.preview().job_id
    assert job < 10

    for typed in (f"{job}", f"#{job}", f"job {job}", f"Job #{job}"):
        assert jobs(practice, typed) == [job], typed
    assert find(practice, f"{job}").claims.count == 0, "one digit is part of nearly every claim number"
    assert Search.of("#") is None


def test_a_job_is_found_by_its_number_with_or_without_commas(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.sql("ALTER TABLE settle_job ALTER COLUMN id RESTART WITH 1204")
    job = practice.preview().job_id

    assert job == 1204
    assert jobs(practice, "1204") == jobs(practice, "1,204") == [1204]
    assert jobs(practice, "120") == []


def test_another_practices_rows_are_never_found(practice: GivenPractice, sessions: Sessions) -> None:
    other = a_practice(sessions, name="Hillside")
    other.claim("SECRET-1", Line(4_321, 0), patient_id=other.patient("Quillfeather, Zephyrine", number="SECRET-P"))
    other.settle(note="SECRET note")

    for typed in (
        "SECRET",
        "SECRET-1",
        "Quillfeather",
        "Zephyrine Quillfeather",
        "$43.21",
        "Hillside",
        "small balance",
    ):
        assert find(practice, typed).is_empty, typed
        assert find(other, typed).is_empty == (typed == "Hillside"), typed  # a practice's name is no text of a job


@pytest.mark.parametrize("typed", ["", " ", "a", " a ", "a" * 101, "ab\x00"])
def test_a_text_that_is_too_short_or_too_long_is_no_search(typed: str) -> None:
    assert Search.of(typed) is None


def test_more_rows_of_one_kind_are_listed_on_request(practice: GivenPractice) -> None:
    for number in range(12):
        practice.patient(f"Many {number:02}", number=f"M{number}")

    few, many = find(practice, "many"), find(practice, "many", listed=Kind.PATIENTS)

    assert (len(few.patients.rows), few.patients.count) == (search.ROWS_SHOWN, 12)
    assert [hit.name for hit in many.patients.rows] == [f"Many {number:02}" for number in range(12)]


def test_a_hit_shows_what_tells_claims_and_namesakes_apart(practice: GivenPractice) -> None:
    ana = practice.patient("Ortiz, Ana", number="77")
    practice.sql("UPDATE patient SET birth_date = '1990-02-03' WHERE id = :id", id=ana)
    practice.claim("C-1", Line(1_000, 500), patient_id=ana)

    found = find(practice, "C-1")
    assert found.claims.rows[0][:2] == ("C-1", "Ortiz, Ana")
    assert found.claims.rows[0].total_due == 1_500
    assert find(practice, "ortiz").patients.rows == [search.PatientHit("77", "Ortiz, Ana", dt.date(1990, 2, 3))]
