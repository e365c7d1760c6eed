"""The practice's limits: failures that halt a job, rule limits, and amounts that need approval.

The failure budget is read when a failure is counted. A preview freezes the others into its job.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from core.access import audit, authorize, write_off_limits
from core.access.permissions import Action, Actor
from core.models.practices import Practice
from core.practices import practice_queries
from core.practices.practice_limit import (
    APPEAL_WINDOW_DAYS,
    FAILURE_CLAIMS,
    FAILURE_PERCENT,
    RECENT_PAYMENT_DAYS,
    RULE_LIMITS,
    SAME_FAILURES,
    SMALL_BALANCE,
    STATEMENT_DAYS,
    STATEMENTS,
    BadLimit,
    PracticeLimit,
)


def set_failure_budget(
    session: Session, *, by: Actor, percent: int, claims: int, alike: int, now: dt.datetime
) -> Practice:
    """Halt jobs if over `percent` of at least `claims` claims failed, or `alike` failures in a row have the same cause.

    Raise `NotAllowed`, and `BadLimit` naming each number that is out of bounds.
    """
    return _set(
        session,
        "failure_budget.changed",
        {FAILURE_PERCENT: percent, FAILURE_CLAIMS: claims, SAME_FAILURES: alike},
        by=by,
        now=now,
    )


def set_rule_limits(session: Session, numbers: Mapping[str, int], *, by: Actor, now: dt.datetime) -> Practice:
    """Set the rule limits in `numbers`, which are given by column. Existing previews keep their old limits.

    Raise `NotAllowed`, and `BadLimit` naming each number that is out of bounds; in that case, nothing changes.
    """
    given = {limit: numbers[limit.column] for limit in RULE_LIMITS if limit.column in numbers}
    _check(given)

    def set_these(act: str, *these: PracticeLimit) -> Practice:
        return _set(session, act, {limit: given[limit] for limit in these if limit in given}, by=by, now=now)

    set_these("small_balance_limit.changed", SMALL_BALANCE)
    set_these("appeal_window.changed", APPEAL_WINDOW_DAYS)
    set_these("statement_rules.changed", STATEMENTS, STATEMENT_DAYS)
    return set_these("recent_payment_window.changed", RECENT_PAYMENT_DAYS)


def set_write_off_limits(
    session: Session, *, by: Actor, claim_cents: int | None = None, job_cents: int | None = None, now: dt.datetime
) -> Practice:
    """Require approval for jobs that write off more than `claim_cents` per claim or `job_cents` in total.

    `core.money.UNLIMITED` stands for the word "unlimited"; None leaves that limit unchanged. Existing previews keep
    their old limits. Raise `NotAllowed`, and `BadLimitAmount` for an invalid amount.
    """
    authorize.require_current_role(session, by, Action.CHANGE_SETTING)
    practice = practice_queries.lock_practice(session, by.practice_id)
    changed = write_off_limits.change_limits(practice, claim_cents=claim_cents, job_cents=job_cents)
    if changed:
        audit.record(session, "write_off_limits.changed", practice, by=by, now=now, **changed)
    return practice


def _check(numbers: Mapping[PracticeLimit, int]) -> None:
    faults = {
        limit.column: f"{limit.words}: {limit.bounds}"
        for limit, number in numbers.items()
        if not limit.least <= number <= limit.most
    }
    if faults:
        raise BadLimit("; ".join(faults.values()), faults=faults)


def _set(session: Session, act: str, numbers: dict[PracticeLimit, int], *, by: Actor, now: dt.datetime) -> Practice:
    authorize.require_current_role(session, by, Action.CHANGE_SETTING)
    _check(numbers)
    practice = practice_queries.lock_practice(session, by.practice_id)
    changed: dict[str, Any] = {}
    for limit, number in numbers.items():
        if getattr(practice, limit.column) != number:
            changed[limit.column] = {"from": getattr(practice, limit.column), "to": number}
            setattr(practice, limit.column, number)
    if changed:
        audit.record(session, act, practice, by=by, now=now, **changed)
    return practice
