"""The practice's limits: when failures halt a job, how long a payment counts as recent, and what takes two people.

The failure budget is read when a failure is counted; the others are frozen into a job when it is previewed.
"""

import datetime as dt
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from core.access import audit, authorize, write_off_limits
from core.access.permissions import Action, Actor
from core.errors import BadInput
from core.models.practices import Practice
from core.practices import queries


class Limit(NamedTuple):
    """A number that an administrator sets, and between which numbers it makes sense."""

    column: str
    least: int
    most: int
    words: str


PERCENT: Final = Limit("failure_percent_max", 1, 100, "percent of failed claims")
CLAIMS: Final = Limit("failure_claims_min", 1, 1_000_000, "claims before the percentage counts")
ALIKE: Final = Limit("failures_alike_max", 2, 1_000_000, "failures alike in a row")
# A year; who wants to spare claims for longer filters by "last payment before" in the feed.
RECENT_DAYS: Final = Limit("recent_payment_days", 0, 365, "days that count as lately")


class BadLimit(BadInput):
    """A limit is not as it must be."""

    code = "bad_limit"


def set_failure_budget(
    session: Session, *, by: Actor, percent: int, claims: int, alike: int, now: dt.datetime
) -> Practice:
    """Halt a job when more than `percent` of at least `claims` have failed, or the last `alike` failures are alike.

    Raises `NotAllowed`, and `BadLimit` naming each number that is out of bounds.
    """
    return _set(session, "failure_budget.changed", {PERCENT: percent, CLAIMS: claims, ALIKE: alike}, by=by, now=now)


def set_recent_payment_days(session: Session, *, by: Actor, days: int, now: dt.datetime) -> Practice:
    """Skip claims with a payment in the last `days` days; 0 switches the rule off. Raises as above."""
    return _set(session, "recent_payment_window.changed", {RECENT_DAYS: days}, by=by, now=now)


def set_write_off_limits(
    session: Session, *, by: Actor, claim_cents: int | None = None, job_cents: int | None = None, now: dt.datetime
) -> Practice:
    """Let a job wait for another person that writes off more than `claim_cents` of one claim, or `job_cents` in all.

    `core.money.UNLIMITED` is a word that somebody chose; None leaves that limit as it is. Jobs that were previewed
    before keep the limits of then. Raises `NotAllowed`, and `BadLimitAmount` where a number can be no limit.
    """
    authorize.require(session, by, Action.CHANGE_SETTING)
    practice = queries.locked(session, by.practice_id)
    changed = write_off_limits.change(practice, claim_cents=claim_cents, job_cents=job_cents)
    _record(session, "write_off_limits.changed", practice, changed, by=by, now=now)
    return practice


def _set(session: Session, act: str, numbers: dict[Limit, int], *, by: Actor, now: dt.datetime) -> Practice:
    by.require(Action.CHANGE_SETTING)
    faults = {
        limit.column: f"{limit.words}: from {limit.least:,} to {limit.most:,}"
        for limit, number in numbers.items()
        if not limit.least <= number <= limit.most
    }
    if faults:
        raise BadLimit("; ".join(faults.values()), faults=faults)
    practice = queries.locked(session, by.practice_id)
    changed: dict[str, Any] = {}
    for limit, number in numbers.items():
        if getattr(practice, limit.column) != number:
            changed[limit.column] = {"from": getattr(practice, limit.column), "to": number}
            setattr(practice, limit.column, number)
    _record(session, act, practice, changed, by=by, now=now)
    return practice


def _record(
    session: Session, act: str, practice: Practice, changed: dict[str, Any], *, by: Actor, now: dt.datetime
) -> None:
    if changed:
        subject = f"practice:{practice.id}"
        audit.record(session, act, practice_id=practice.id, subject=subject, by=by.user_id, now=now, **changed)
