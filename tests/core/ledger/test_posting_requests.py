"""Payments, adjustments and transfers by hand over the per-claim limit: each takes a second person."""

import datetime as dt
from typing import Any

import pytest

from core.access import user_management
from core.access.approvers import AlreadyDecided
from core.access.permissions import Actor
from core.access.users import actor_for
from core.books import closing
from core.enums.people import Role
from core.enums.posting_requests import RequestState
from core.errors import NotAllowed, Refusal
from core.ledger import ledger_queries, posting_decisions, posting_requests, voids
from core.ledger.entries import BadEntry, Void
from core.ledger.entry_postings import EntryMismatch
from core.money import UNLIMITED
from core.practices import one_person_choice
from core.practices.periods import PeriodClosed
from tests.at_once import outcomes_at_once
from tests.factories import NOW, GivenPractice, Line

DAY = dt.timedelta(days=1)
ADJUSTMENT = {"kind": "adjustment", "responsibility": "insurance", "group_code": "CO", "reason_code": "45"}
TRANSFER = {"kind": "transfer", "responsibility": "insurance"}
PAYMENT = {"kind": "payment", "responsibility": "insurance", "paid_by": "primary"}


@pytest.fixture
def limited(practice: GivenPractice) -> GivenPractice:
    """A practice with a limit of $1.00 for one claim, and a claim."""
    practice.limit(claim=100)
    practice.claim("1", Line(1_000, 500))
    return practice


@pytest.fixture
def other(limited: GivenPractice) -> Actor:
    """Another user, who may approve."""
    return limited.person("other@lakeside.example", Role.APPROVER)


def enter(practice: GivenPractice, cents: int = 101, key: str = "key", **entry: Any) -> int | None:
    """Enter a posting, by default over the limit. Return the id of its request, or None if it is posted."""
    result = practice.post("1", cents, key=key, **({} if "kind" in entry else ADJUSTMENT), **entry)
    return result.request.id if result.request else None


def waits(practice: GivenPractice, cents: int = 101, key: str = "key", **entry: Any) -> int:
    request = enter(practice, cents, key, **entry)
    assert request is not None
    return request


def decide(practice: GivenPractice, act: Any, request: int, by: Actor, **more: Any) -> RequestState:
    state: RequestState = practice.do(act, request, by=by, **{"now": NOW, **more}).state
    return state


def balances(practice: GivenPractice) -> tuple[int, int]:
    claim = practice.read("1")
    return claim.insurance_due, claim.patient_due


@pytest.mark.parametrize("entry", [ADJUSTMENT, TRANSFER, PAYMENT], ids=["adjustment", "transfer", "payment"])
def test_an_entry_over_the_limit_waits_and_is_posted_once_when_another_user_approves_it(
    limited: GivenPractice, other: Actor, entry: dict[str, Any]
) -> None:
    request = waits(limited, note="Contract 7", **entry)
    assert balances(limited) == (1_000, 500)
    assert waits(limited, note="Contract 7", **entry) == request
    with pytest.raises(EntryMismatch):
        waits(limited, 102, note="Contract 7", **entry)
    for _ in range(2):
        assert decide(limited, posting_decisions.approve, request, other, now=NOW + DAY) is RequestState.POSTED

    assert balances(limited) == (899, 601 if entry is TRANSFER else 500)
    with limited.sessions() as session:
        rows = ledger_queries.list_ledger_rows(session, limited.id, limited.read("1").id)
    assert {(row.user_name, str(row.posted_on), row.note) for row in rows[2:]} == {
        ("biller", "2026-11-23", "Contract 7")
    }
    (act,) = limited.audited("claim.posting_approved")
    assert (act.user_id, act.facts["user_id"]) == (other.user_id, limited.biller.user_id)
    assert enter(limited, note="Contract 7", **entry) is None, "the repeated key finds its posting"
    assert limited.violations() == []


def test_entries_of_thirty_days_add_up_by_user_and_claim_and_voided_ones_still_count(
    limited: GivenPractice, other: Actor
) -> None:
    limited.claim("2", Line(1_000, 500))
    assert enter(limited, 60, "1") is None
    limited.act(voids.void, "1", last_posting(limited), Void(note="Wrong"), idempotency_key="void")
    assert enter(limited, 40, "2", **PAYMENT) is None

    request = waits(limited, 1, "3", **TRANSFER)

    with limited.sessions() as session:
        (row,) = posting_requests.list_to_approve(session, other, now=NOW)
        assert posting_requests.count_to_approve(session, other, now=NOW) == 1
        assert [one.request.id for one in posting_requests.list_own_waiting(session, limited.biller, now=NOW)] == [
            request
        ]
        assert posting_requests.approver_names(session, row.request, now=NOW) == ["other"]
    assert row.why == "Over the per-claim limit: $1.01 entered by hand within 30 days (limit $1.00)"
    assert limited.post("2", 100, key="4").request is None, "another claim"
    second = limited.person("second@lakeside.example", Role.BILLER)
    assert enter(limited, 100, "5", by=second) is None, "another user"
    assert decide(limited, posting_decisions.approve, request, other) is RequestState.POSTED
    assert enter(limited, 100, "6", now=NOW + 30 * DAY) is None, "what was approved does not count, nor what is older"
    assert limited.violations() == []


def test_the_requester_and_an_account_that_they_control_approve_nothing(limited: GivenPractice) -> None:
    admin = limited.person("admin@lakeside.example", Role.ADMIN)
    new = {"email": "new@lakeside.example", "name": "New", "role": Role.APPROVER, "by_mail": False}
    limits = {"claim_cents": UNLIMITED, "job_cents": UNLIMITED}
    user, _link = limited.do(user_management.add, **new, **limits, by=admin, now=NOW - 2 * DAY)
    request = waits(limited, by=admin)

    for by, code in ((admin, "own_posting"), (actor_for(user), "controlled_account"), (limited.biller, "not_allowed")):
        with pytest.raises(NotAllowed) as refused:
            decide(limited, posting_decisions.approve, request, by)
        assert refused.value.code == code
        with limited.sessions() as session:
            assert posting_requests.list_to_approve(session, by, now=NOW) == []
    assert balances(limited) == (1_000, 500)


def test_a_rejected_or_withdrawn_posting_is_never_posted_and_keeps_its_reason(
    limited: GivenPractice, other: Actor
) -> None:
    rejected, withdrawn = waits(limited, key="1"), waits(limited, key="2")
    with pytest.raises(Refusal) as refused:
        decide(limited, posting_decisions.reject, rejected, other, reason=" ")
    assert refused.value.code == "reason_missing"
    with pytest.raises(posting_decisions.NotOwnPosting):
        decide(limited, posting_decisions.withdraw, withdrawn, limited.person("x@lakeside.example", Role.BILLER))

    assert decide(limited, posting_decisions.reject, rejected, other, reason="Not in 7") is RequestState.REJECTED
    assert decide(limited, posting_decisions.withdraw, withdrawn, limited.biller) is RequestState.WITHDRAWN

    for request in (rejected, withdrawn):
        with pytest.raises(AlreadyDecided):
            decide(limited, posting_decisions.approve, request, other)
    with limited.sessions() as session:
        (row,) = posting_requests.list_own_decided(session, limited.biller, now=NOW)
    assert (row.request.decision_note, row.decided_by) == ("Not in 7", "other")
    assert waits(limited, key="1") == rejected, "a repeated key enters nothing new"
    assert balances(limited) == (1_000, 500)
    assert limited.violations() == []


def test_a_posting_that_no_longer_fits_is_refused_and_waits_on(limited: GivenPractice, other: Actor) -> None:
    admin = limited.person("admin@lakeside.example", Role.ADMIN)
    request = waits(limited, 1_000, posted_on="2026-10-31")
    limited.limit(claim=UNLIMITED)
    limited.post("1", 1, key="pay", **PAYMENT)

    with pytest.raises(posting_decisions.BalanceChanged, match=r"Line 1 would have a credit of \$0.01 \(insurance\)"):
        decide(limited, posting_decisions.approve, request, other)
    limited.do(closing.close, dt.date(2026, 10, 1), by=admin, now=NOW)
    with pytest.raises(PeriodClosed):
        decide(limited, posting_decisions.approve, request, other)

    assert balances(limited) == (999, 500)
    with limited.sessions() as session:
        assert [row.request.id for row in posting_requests.list_to_approve(session, other, now=NOW)] == [request]


def test_a_posting_expires_after_7_days(limited: GivenPractice, other: Actor) -> None:
    request, then = waits(limited), NOW + 7 * DAY
    with pytest.raises(posting_decisions.PostingExpired):
        decide(limited, posting_decisions.approve, request, other, now=then)
    with pytest.raises(posting_decisions.PostingExpired):
        decide(limited, posting_decisions.withdraw, request, limited.biller, now=then)

    with limited.sessions() as session:
        assert posting_requests.list_to_approve(session, other, now=then) == []
        assert posting_requests.count_to_approve(session, other, now=then) == 0
        assert posting_requests.list_own_waiting(session, limited.biller, now=then) == []
        (row,) = posting_requests.list_own_decided(session, limited.biller, now=then + 6 * DAY)
        assert (row.state, row.expires_at) == ("expired", then)
        assert posting_requests.list_own_decided(session, limited.biller, now=then + 7 * DAY) == []
    assert balances(limited) == (1_000, 500)


def test_an_entry_that_could_not_be_posted_is_refused_before_it_waits(limited: GivenPractice, other: Actor) -> None:
    with pytest.raises(BadEntry):
        waits(limited, line=2)
    with limited.sessions() as session:
        assert posting_requests.list_to_approve(session, other, now=NOW) == []

    request = waits(limited, 1_001)  # the requester knows that it leaves a credit

    assert decide(limited, posting_decisions.approve, request, other) is RequestState.POSTED
    assert balances(limited) == (-1, 500)


def test_of_two_decisions_at_once_one_counts(limited: GivenPractice, other: Actor, rounds: int) -> None:
    admin = limited.person("admin@lakeside.example", Role.ADMIN)
    for index in range(max(2, rounds // 10)):
        request = waits(limited, key=f"race {index}")
        before = balances(limited)[0]
        raised = outcomes_at_once(
            lambda: decide(limited, posting_decisions.approve, request, other),  # noqa: B023
            lambda: decide(limited, posting_decisions.approve, request, admin),  # noqa: B023
            lambda: decide(limited, posting_decisions.reject, request, admin, reason="No"),  # noqa: B023
        )
        assert sorted(type(error).__name__ for error in raised) == ["AlreadyDecided", "AlreadyDecided", "NoneType"]
        assert balances(limited)[0] == before - (0 if raised[2] is None else 101)
    assert limited.violations() == []


def test_where_one_person_works_by_choice_that_person_needs_no_approval(limited: GivenPractice) -> None:
    admin = limited.person("admin@lakeside.example", Role.ADMIN)
    limited.do(one_person_choice.choose, by=admin, now=NOW - 2 * DAY)

    assert enter(limited, by=admin) is None

    assert balances(limited) == (899, 500)
    assert limited.audited("claim.posted")[0].facts["without_approval"] is True
    waits(limited, key="biller")
    assert limited.violations() == []


def last_posting(practice: GivenPractice) -> int:
    with practice.sessions() as session:
        return ledger_queries.list_ledger_rows(session, practice.id, practice.read("1").id)[-1].id
