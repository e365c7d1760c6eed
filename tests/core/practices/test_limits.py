"""The practice's limits: who may set them, their range, and what is audited."""

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.db.engine import Sessions
from core.enums.people import Role
from core.errors import NotAllowed
from core.models.people import AuditEntry
from core.models.practices import Practice
from core.money import UNLIMITED, BadLimitAmount, format_limit, parse_limit
from core.practices import limits
from core.practices.practice_limit import BadLimit
from tests.factories import NOW, GivenPractice, a_practice


def audited(session: Session) -> list[tuple[str, dict[str, object]]]:
    entries = session.query(AuditEntry).filter(AuditEntry.act.in_([BUDGET, WINDOW])).order_by(AuditEntry.id)
    return [(entry.act, entry.facts) for entry in entries]


BUDGET, WINDOW = "failure_budget.changed", "recent_payment_window.changed"


def test_an_administrator_changes_the_failure_budget_and_the_change_is_audited(
    session: Session, practice: GivenPractice, admin: Actor
) -> None:
    limits.set_failure_budget(session, by=admin, percent=10, claims=100, alike=20, now=NOW)

    current = session.get_one(Practice, practice.id)
    assert (current.failure_percent_max, current.failure_claims_min, current.failures_alike_max) == (10, 100, 20)
    changed = {"failure_percent_max": {"from": 50, "to": 10}, "failure_claims_min": {"from": 50, "to": 100}}
    assert audited(session) == [(BUDGET, changed)]


def test_repeating_the_current_limits_changes_nothing(session: Session, admin: Actor) -> None:
    limits.set_failure_budget(session, by=admin, percent=50, claims=50, alike=20, now=NOW)
    limits.set_rule_limits(session, {"recent_payment_days": 0}, by=admin, now=NOW)

    assert audited(session) == []


@pytest.mark.parametrize(
    ("numbers", "faulty"),
    [
        ((0, 50, 20), {"failure_percent_max"}),
        ((101, 50, 20), {"failure_percent_max"}),
        ((50, 0, 1), {"failure_claims_min", "failures_alike_max"}),
        ((50, 1_000_001, 20), {"failure_claims_min"}),
        ((-1, -1, -1), {"failure_percent_max", "failure_claims_min", "failures_alike_max"}),
    ],
)
def test_a_number_out_of_range_is_named_and_nothing_changes(
    session: Session, practice: GivenPractice, admin: Actor, numbers: tuple[int, int, int], faulty: set[str]
) -> None:
    percent, claims, alike = numbers

    with pytest.raises(BadLimit) as refusal:
        limits.set_failure_budget(session, by=admin, percent=percent, claims=claims, alike=alike, now=NOW)

    assert set(refusal.value.facts["faults"]) == faulty
    assert session.get_one(Practice, practice.id).failure_percent_max == 50


@pytest.mark.parametrize(("days", "is_good"), [(-1, False), (0, True), (1, True), (365, True), (366, False)])
def test_the_recent_payment_window_is_between_off_and_a_year(
    session: Session, admin: Actor, days: int, is_good: bool
) -> None:
    if not is_good:
        with pytest.raises(BadLimit, match="from 0 to 365"):
            limits.set_rule_limits(session, {"recent_payment_days": days}, by=admin, now=NOW)
        return

    assert limits.set_rule_limits(session, {"recent_payment_days": days}, by=admin, now=NOW).recent_payment_days == days


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_an_administrator_changes_the_failure_budget_and_the_window(
    session: Session, practice: GivenPractice, role: Role
) -> None:
    other_user = practice.person("other@lakeside.example", role)

    with pytest.raises(NotAllowed):
        limits.set_rule_limits(session, {"recent_payment_days": 7}, by=other_user, now=NOW)
    with pytest.raises(NotAllowed):
        limits.set_failure_budget(session, by=other_user, percent=10, claims=10, alike=10, now=NOW)


def test_only_the_administrators_own_practice_is_changed(session: Session, sessions: Sessions, admin: Actor) -> None:
    other = a_practice(sessions, name="Harbor")

    limits.set_rule_limits(session, {"recent_payment_days": 14}, by=admin, now=NOW + dt.timedelta(hours=1))

    assert session.get_one(Practice, other.id).recent_payment_days == 0


def test_an_administrator_changes_the_write_off_limits_and_the_change_is_audited(
    session: Session, practice: GivenPractice, admin: Actor
) -> None:
    limits.set_write_off_limits(session, by=admin, claim_cents=10_000, job_cents=UNLIMITED, now=NOW)
    updated = limits.set_write_off_limits(session, by=admin, claim_cents=10_000, job_cents=0, now=NOW)

    assert (updated.claim_limit_cents, updated.job_limit_cents) == (10_000, 0)
    entries = session.query(AuditEntry).filter(AuditEntry.act == "write_off_limits.changed").order_by(AuditEntry.id)
    assert [(entry.subject, entry.user_id, entry.facts) for entry in entries] == [
        (f"practice:{practice.id}", admin.user_id, {"claim_limit_cents": {"from": "unlimited", "to": 10_000}}),
        (f"practice:{practice.id}", admin.user_id, {"job_limit_cents": {"from": "unlimited", "to": 0}}),
    ]


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_an_administrator_changes_the_write_off_limits(
    session: Session, practice: GivenPractice, role: Role
) -> None:
    with pytest.raises(NotAllowed):
        limits.set_write_off_limits(
            session, by=replace(practice.biller, role=role), claim_cents=1, job_cents=1, now=NOW
        )


@pytest.mark.parametrize(
    ("entered", "cents"),
    [("unlimited", UNLIMITED), (" Unlimited ", UNLIMITED), ("0", 0), ("$1,234.56", 123_456), ("50", 5_000)],
)
def test_a_limit_is_an_amount_or_the_word_unlimited(entered: str, cents: int) -> None:
    assert parse_limit(entered) == cents
    assert parse_limit(format_limit(cents)) == cents


@pytest.mark.parametrize("entered", ["", "  ", "-1", "none", "no limit", "1.234", "1e3", "∞", "unlimited!", "1,23"])
def test_an_invalid_limit_is_refused_with_what_to_enter(entered: str) -> None:
    with pytest.raises(BadLimitAmount, match="such as 1234\\.56, or “unlimited”"):
        parse_limit(entered)
