"""The weekly review: what a careful auditor would look at, for the owner of the practice."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor, roles_allowing
from core.audit import review_answers, review_changes, review_claims, review_jobs, review_limits, review_sums
from core.audit.findings import FindingKind, Review, Week
from core.models.people import AuditEntry, User
from core.models.practices import Practice
from core.practices import practice_days

_DAY: Final = dt.timedelta(days=1)


def for_user(session: Session, by: Actor, day: dt.date | None, *, now: dt.datetime) -> Review:
    """Return the review of the week of `day`, by default of last week. Raise `NotAllowed`."""
    by.require(Action.SEE_REVIEW)
    practice = session.get_one(Practice, by.practice_id)
    return for_week(session, practice, last_week(practice, now=now) if day is None else week_of(practice, day))


def for_week(session: Session, practice: Practice, week: Week) -> Review:
    """Return the review of the week."""
    week = _since_any_zone(session, practice, week)
    limits = review_limits.of_week(session, practice, week)
    answered = review_answers.of_week(session, practice, week)
    # With the address, because two users may have the same name.
    of_practice = select(User.id, User.name, User.email).where(User.practice_id == practice.id)
    names = {user_id: f"{name} ({email})" for user_id, name, email in session.execute(of_practice)}
    names[review_limits.COMMAND_LINE] = "Command line"
    found = [
        *review_changes.changes(session, practice, week, names),
        *review_claims.adjusted_by_hand(session, practice, week, limits),
        *review_sums.lowered(session, practice, week, limits, answered),
        *review_claims.imported_over_limit(session, practice, week),
        *review_claims.imported_claims(session, practice, week),
        *review_answers.adjusted_unpaid(answered, limits),
        *review_claims.refunded(session, practice, week, limits),
        *review_jobs.approved_by_new_accounts(session, practice, week),
        *review_jobs.approved_by_one_person(session, practice, week),
        *review_claims.unprotected(session, practice, week),
        *review_claims.ended_protections(session, practice, week),
        *review_claims.payers_included(session, practice, week),
        *review_jobs.without_second_person(session, practice, week),
        *review_jobs.overrode_rules(session, practice, week),
    ]
    findings = {
        kind: sorted((one for one in found if one.kind is kind), key=lambda one: (one.cents, one.at), reverse=True)
        for kind in FindingKind
    }
    return Review(week, findings, names, readers(session, practice.id))


def readers(session: Session, practice_id: int) -> tuple[int, ...]:
    """Return the users who get the review now: all who may approve, so that a lone administrator has a reader too."""
    may = User.active, User.role.in_(roles_allowing(Action.SEE_REVIEW))
    return tuple(session.scalars(select(User.id).where(User.practice_id == practice_id, *may).order_by(User.name)))


def week_of(practice: Practice, day: dt.date) -> Week:
    """Return the week of the day."""
    monday = day - dt.timedelta(days=day.weekday())
    next_monday = monday + dt.timedelta(days=7)
    return Week(monday, practice_days.day_begins(practice, monday), practice_days.day_begins(practice, next_monday))


def _since_any_zone(session: Session, practice: Practice, week: Week) -> Week:
    """Return the week from its beginning in each time zone that the practice had then.

    Otherwise the hours between the end of a week in the old zone and the beginning of the next in the new one would be
    in a review that is already read.
    """
    of_practice = (AuditEntry.practice_id == practice.id, AuditEntry.act == "time_zone.changed")
    then = (AuditEntry.at > week.begins - 2 * _DAY, AuditEntry.at < week.ends)
    zones = session.scalars(select(AuditEntry.facts["from"].as_string()).where(*of_practice, *then))
    begins = (dt.datetime.combine(week.first_day, dt.time.min, ZoneInfo(zone)) for zone in zones)
    return week._replace(begins=min([week.begins, *begins]).astimezone(week.begins.tzinfo))


def last_week(practice: Practice, *, now: dt.datetime) -> Week:
    """Return the week before the current one."""
    return week_of(practice, practice_days.today(practice, now=now) - dt.timedelta(days=7))
