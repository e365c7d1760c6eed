"""Keyset pages: every claim once, in order, forward and backward, in every sort order."""

import datetime as dt
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert, text

from core.claims import feed
from core.claims.claim_filter import BadFilter, ClaimFilter
from core.claims.feed import FeedPage, FeedRow, Sort, SortBy
from core.db.engine import transaction
from core.enums.claims import ClaimStatus, Hold
from core.enums.practices import SELF_PAY, PayerClass, WriteOffSetting
from core.models.practices import Office, Provider
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice
from tests.servers import Databases
from tests.worlds import World, a_world

ALL = ClaimFilter()
PAGE = 19  # claims


def read(practice: GivenPractice, f: ClaimFilter = ALL, *, sort: str = "recent", **overrides: object) -> FeedPage:
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        options = {"cursor": None, "limit": PAGE, **overrides}
        return feed.page(session, practice.id, f, sort=Sort.of(sort), terms=terms, **options)  # type: ignore[arg-type]


def walk(practice: GivenPractice, sort: str) -> tuple[list[str], list[FeedPage]]:
    """Return the claims and pages from the first page to the last."""
    pages = [read(practice, sort=sort)]
    while pages[-1].next_cursor:
        pages.append(read(practice, sort=sort, cursor=pages[-1].next_cursor))
    return [row.claim_id for page in pages for row in page.rows], pages


def add_many(practice: GivenPractice) -> None:
    """Add sixty claims with many equal dates, balances and names."""
    random = Random(4)
    names = ("Ana", "ana", "Åsa", "<script>alert(1)</script>", "مريم", "😀 Zoë")
    patients = [practice.patient(name) for name in names]
    payers = [practice.payer(name, PayerClass.COMMERCIAL) for name in ("Aetna", "Blue Cross", "Cigna")]
    offices = [practice.ids["Office"], *(add_named(practice, Office, name) for name in ("East", "West"))]
    providers = [practice.ids["Provider"], *(add_named(practice, Provider, name) for name in ("Dr. A", "Dr. B"))]
    for index in range(60):
        lines = [Line(random.choice((0, 500, 900)), random.choice((0, 0, 500)))] * random.choice((0, 1, 1, 1, 2))
        practice.claim(
            f"C-{random.randrange(10**6):06d}/{index}",
            *lines,
            patient_id=random.choice(patients),
            service_date=TODAY - dt.timedelta(days=random.randrange(-2, 5)),
            office_id=random.choice(offices),
            billing_provider_id=random.choice(providers),
            supervising_provider_id=random.choice((None, *providers)),
            primary_payer_id=random.choice((None, *payers)),
            primary_status=random.choice((ClaimStatus.NONE, ClaimStatus.AT_PAYER, ClaimStatus.ERA_RECEIVED)),
            secondary_payer_id=random.choice((None, *payers)),
            secondary_status=random.choice((ClaimStatus.NONE, ClaimStatus.ERA_DENIED)),
            allowed=random.choice((None, 0, 700)),
            expected=random.choice((None, 100, 800)),
            first_edi_on=random.choice((None, TODAY, TODAY - dt.timedelta(days=3))),
            last_edi_on=random.choice((None, TODAY - dt.timedelta(days=1), TODAY - dt.timedelta(days=4))),
            last_statement_on=(None, TODAY, TODAY - dt.timedelta(days=9))[index % 3],
            statements_sent=(None, 0, 3, 12)[index % 4],
            denied_on=(None, TODAY, TODAY - dt.timedelta(days=index))[index % 3],
            denial_carc=(None, "45", "197")[index % 3],
            last_answer_on=(None, TODAY, TODAY - dt.timedelta(days=index))[index % 3],
            last_answer_status=(None, "1", "22")[index % 3],
            payer_claim_number=(None, "ICN1", f"ICN{index}")[index % 3],
            billing_status=random.choice(("Balance Due", "Internal Review", "Bill Insurance")),
        )
    change = (
        "UPDATE line_item SET procedure_code = (ARRAY['99213','87880','G0008'])[claim_id % 3 + 1];"
        "UPDATE claim SET adjustment = id % 3, primary_paid = id % 2, secondary_paid = id % 4, patient_paid = id % 5"
    )
    with transaction(practice.sessions) as session:
        session.execute(text(change))


def add_named(practice: GivenPractice, table: type[Office] | type[Provider], name: str) -> int:
    columns = {"practice_id": practice.id, "external_id": name, "name": name}
    with transaction(practice.sessions) as session:
        return session.scalars(insert(table).values(columns).returning(table.id)).one()


@pytest.fixture(scope="module")
def world(databases: Databases) -> Iterator[World]:
    with a_world(databases, add_many) as world:
        yield world


@pytest.fixture
def many(world: World) -> GivenPractice:
    """Sixty claims with many equal dates, balances and names, to read only."""
    return world.shared


@pytest.fixture
def changing(world: World) -> Iterator[GivenPractice]:
    """A copy of these claims for a test that changes them."""
    with world.copied() as practice:
        yield practice


def shown(by: SortBy, row: FeedRow) -> Any:
    """Return what is compared, from what the row shows."""
    payer = {SortBy.PRIMARY_STATUS: row.primary_payer, SortBy.SECONDARY_STATUS: row.secondary_payer}
    if by in payer and payer[by] is None:
        return None
    days = row.service_date.toordinal()
    shown: dict[SortBy, Any] = {
        SortBy.RECENT: (row.service_date > TODAY, -days),
        SortBy.DATE: days,
        SortBy.AGE: row.age_days,
        SortBy.CLAIM: row.claim_id,
        SortBy.PATIENT: row.patient_name,
        SortBy.ELIGIBILITY: feed.ELIGIBILITY.index(row.eligibility),
        SortBy.SERVICE: row.service_codes.split(", ")[0] or None,
        SortBy.PRIMARY_PAYER: row.primary_payer or SELF_PAY,
        SortBy.FIRST_EDI: row.first_edi_on,
        SortBy.LAST_EDI: row.last_edi_on,
        SortBy.LAST_STATEMENT: row.last_statement_on,
    }
    value = shown[by] if by in shown else getattr(row, by.value)
    return None if value is ClaimStatus.NONE else value


@pytest.mark.parametrize("by", SortBy)
@pytest.mark.parametrize("minus", ["", "-"])
def test_paging_shows_every_claim_once_in_order(many: GivenPractice, by: SortBy, minus: str) -> None:
    seen, pages = walk(many, f"{minus}{by}")

    assert len(seen) == len(set(seen)) == 60
    assert seen == [row.claim_id for row in read(many, sort=f"{minus}{by}", limit=200).rows]
    values = [shown(by, row) for page in pages for row in page.rows]
    filled = [value for value in values if value is not None]
    assert filled == sorted(filled, reverse=bool(minus))
    assert None not in values[: len(filled)]  # empty cells come last in both directions
    assert len(set(values)) > 1, "every claim shows the same"
    assert [page.first_place for page in pages] == list(range(0, 60, PAGE))


@pytest.mark.parametrize(
    "sort", ["recent", "-recent", "-date", "claim", "patient", "-total_due", "service", "-allowed", "secondary_payer"]
)
def test_paging_backward_shows_the_same_pages(many: GivenPractice, sort: str) -> None:
    _, pages = walk(many, sort)

    cursor, previous = pages[-1].previous_cursor, []
    while cursor:
        previous.append(read(many, sort=sort, cursor=cursor))
        cursor = previous[-1].previous_cursor

    assert [page.rows for page in reversed(previous)] == [page.rows for page in pages[:-1]]
    assert previous[-1].first_place == 0
    assert previous[-1].next_cursor is not None


@pytest.mark.parametrize("sort", ["-patient", "patient", "-service", "service", "eligibility"])
def test_paging_is_the_same_when_claims_are_narrowed_first(
    many: GivenPractice, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    whole = [row.claim_id for row in read(many, sort=sort, limit=200).rows]
    monkeypatch.setattr("core.claims.feed_order.NARROWED_TO", 9)

    seen, pages = walk(many, sort)

    assert seen == whole
    previous = read(many, sort=sort, cursor=pages[3].previous_cursor)
    assert previous.rows == pages[2].rows


def test_future_dates_of_service_do_not_lead_the_default_list(practice: GivenPractice) -> None:
    for days in (1, 30, -1, 0, -40):
        practice.claim(f"{days:+}", Line(1_00, 0), service_date=TODAY + dt.timedelta(days=days))

    assert walk(practice, str(feed.DEFAULT_SORT))[0] == ["+0", "-1", "-40", "+30", "+1"]
    assert walk(practice, "-date")[0][0] == "+30"


def test_the_first_page_has_no_previous_page_and_the_last_no_next_page(many: GivenPractice) -> None:
    _, pages = walk(many, "recent")

    assert pages[0].previous_cursor is None
    assert pages[-1].next_cursor is None
    assert all(page.previous_cursor for page in pages[1:])


def test_a_practice_without_claims_has_one_empty_page(practice: GivenPractice) -> None:
    assert read(practice) == FeedPage([], None, None, 0)


def test_a_claim_that_changes_between_two_pages_does_not_move_the_others(changing: GivenPractice) -> None:
    first = read(changing, sort="-total_due", limit=30)
    assert first.next_cursor
    changing.pay(first.rows[-1].claim_id, 100)

    second = read(changing, sort="-total_due", limit=30, cursor=first.next_cursor)

    seen = {row.claim_id for row in first.rows} | {row.claim_id for row in second.rows}
    assert len(seen) >= 59


def test_a_modified_cursor_is_refused(many: GivenPractice) -> None:
    cursor = read(many).next_cursor
    assert cursor
    modified = [cursor[:-2], cursor + "AAAA", "x", "é", " ", cursor[::-1], "A" * 40]
    modified += [
        cursor[:at] + ("A" if letter != "A" else "B") + cursor[at + 1 :] for at, letter in enumerate(cursor[:-4])
    ]

    for bad in modified:
        with pytest.raises(BadFilter):
            read(many, cursor=bad)


@pytest.mark.parametrize(
    "fields",
    [
        ["recent", False, "X", "2026-01-01", 0],  # no such claim
        ["recent", False, "X", "never", 0],
        ["recent", False, "X", 5, 0],
        ["recent", False, "a\x00b", "2026-01-01", 0],
        ["recent", 1, "X", "2026-01-01", 0],
        ["recent", False, ["X"], "2026-01-01", 0],
        ["recent", False, "X", "2026-01-01", "0"],
        ["recent"],
        {"sort": "recent"},
        7,
        None,
    ],
)
def test_a_forged_cursor_is_refused(many: GivenPractice, fields: object) -> None:
    body = json.dumps(fields).encode()
    seal = hashlib.blake2b(body, digest_size=8, key=str(many.id).encode()).digest()

    with pytest.raises(BadFilter):
        read(many, cursor=urlsafe_b64encode(seal + body).decode().rstrip("="))


def test_a_cursor_is_valid_only_for_its_sort_order_and_practice(changing: GivenPractice) -> None:
    other = a_practice(changing.sessions, name="Hillside")
    other.claims(9)
    cursor = read(changing).next_cursor

    with pytest.raises(BadFilter):
        read(changing, sort="date", cursor=cursor)
    with pytest.raises(BadFilter):
        read(other, cursor=cursor)


def test_a_cursor_contains_no_patient_name(many: GivenPractice) -> None:
    cursor = read(many, sort="patient").next_cursor
    row = read(many, sort="patient").rows[-1]
    assert cursor
    assert row.patient_name not in urlsafe_b64decode(cursor + "==")[8:].decode()


def test_an_unknown_sort_column_is_refused() -> None:
    with pytest.raises(BadFilter, match="sort"):
        Sort.of("ssn")


def test_a_row_shows_the_claims_ledger_balances(practice: GivenPractice) -> None:
    practice.claim('A\'1 "x"/%', Line(100, 250), Line(0, 50), hold=Hold.LEGAL, service_time=dt.time(8, 15))

    row = read(practice).rows[0]

    assert (row.claim_id, row.insurance_due, row.patient_due, row.total_due) == ('A\'1 "x"/%', 100, 300, 400)
    assert (row.billed, row.patient_name, row.office) == (400, "The Patient", "The Office")
    assert row.billing_provider == "The Provider"
    assert (row.primary_payer, row.secondary_payer, row.supervising_provider) == ("The Payer", None, None)
    assert (row.service_codes, row.hold, row.eligibility) == ("99213, 99213", Hold.LEGAL, "on_hold")


def test_a_claim_without_lines_is_shown(practice: GivenPractice) -> None:
    practice.claim("1")

    row = read(practice).rows[0]

    assert (row.service_codes, row.total_due, row.eligibility) == ("", 0, "nothing_due")


def test_today_is_the_date_in_the_practices_time_zone(practice: GivenPractice) -> None:
    midnight_in_london = dt.datetime(2026, 11, 24, 0, 30, tzinfo=dt.UTC)
    terms = practice.do(feed.terms_for, practice.id, now=midnight_in_london)

    assert terms.as_of == dt.date(2026, 11, 23)
    assert terms.setting is WriteOffSetting.BOTH


def test_the_export_has_the_rows_of_the_pages_in_the_same_order(many: GivenPractice) -> None:
    with many.sessions() as session:
        terms = feed.terms_for(session, many.id, now=NOW)
        rows = list(feed.stream_rows(session, many.id, ALL, sort=Sort.of("patient"), terms=terms))

    assert rows == read(many, sort="patient", limit=200).rows
