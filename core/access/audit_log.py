"""The audit as people and auditors read it: by person, claim, job and day, each act with its place in the chain."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, and_, cast, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from core.access import audit, audit_words
from core.access.models import AuditEntry, AuditLink, User
from core.access.permissions import Action, Actor
from core.claims.export import csv_pieces, guard
from core.claims.models import Claim
from core.errors import BadInput
from core.jobs.models import JobItem

PAGE_MAX: Final = 200
CSV_HEAD: Final = ("number", "at (UTC)", "person", "e-mail", "act", "in words", "subject", "facts", "SHA-256")


class BadAuditFilter(BadInput):
    """The audit is narrowed by a person's e-mail address, a claim, a job's number and days."""

    code = "bad_audit_filter"


class Wanted(NamedTuple):
    """Which acts; a thing that is None does not narrow. Days are the practice's own, both included."""

    person: str | None = None  # e-mail address
    claim: str | None = None  # its number; the jobs that hold it too
    job: int | None = None
    from_day: dt.date | None = None
    to_day: dt.date | None = None


class Act(NamedTuple):
    """One act. `number` is its place in the practice's chain, `digest` what the chain says of it and all before."""

    number: int
    at: dt.datetime
    person: str | None  # None: the product itself, or the command line
    email: str | None
    act: str
    subject: str
    facts: dict[str, Any]
    digest: str

    @property
    def words(self) -> str:
        """What was done, for people."""
        return audit_words.words(self.act)

    @property
    def told(self) -> str:
        """Its facts on one line."""
        return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in self.facts.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "/".join(map(_plain, value)) or "none"
    return "none" if value is None else str(value)


def page(
    session: Session, practice_id: int, wanted: Wanted, *, zone: str, before: int | None = None, limit: int = 100
) -> list[Act]:
    """The newest acts that are wanted, those with a number below `before`. Raises `BadAuditFilter`."""
    conditions = _conditions(session, practice_id, wanted, ZoneInfo(zone))
    if before is not None:
        conditions.append(AuditLink.number < before)
    rows = session.execute(_acts(practice_id, conditions).order_by(AuditLink.number.desc()).limit(min(limit, PAGE_MAX)))
    return [_act(row) for row in rows]


def csv_file(session: Session, practice_id: int, wanted: Wanted, *, zone: str) -> Iterator[str]:
    """Every act that is wanted, from the first on, as CSV in pieces."""
    conditions = _conditions(session, practice_id, wanted, ZoneInfo(zone))
    rows = session.execute(
        _acts(practice_id, conditions).order_by(AuditLink.number), execution_options={"yield_per": 1_000}
    )
    return csv_pieces(CSV_HEAD, (_cells(_act(row)) for row in rows))


def read_by(session: Session, *, by: Actor, now: dt.datetime) -> None:
    """Write down that this person takes the audit with them. Raises `NotAllowed`."""
    by.require(Action.SEE_AUDIT)
    audit.record(session, "audit.exported", practice_id=by.practice_id, subject="audit", by=by.user_id, now=now)


def _acts(practice_id: int, conditions: list[ColumnElement[bool]]) -> Any:
    of_entry = and_(AuditEntry.practice_id == AuditLink.practice_id, AuditEntry.id == AuditLink.entry_id)
    columns = (AuditEntry.act, AuditEntry.subject, AuditEntry.facts, AuditLink.digest)
    return (
        select(AuditLink.number, AuditEntry.at, User.name, User.email, *columns)
        .join(AuditEntry, of_entry)
        .outerjoin(User, User.id == AuditEntry.user_id)
        .where(AuditLink.practice_id == practice_id, *conditions)
    )


def _act(row: Row[Any]) -> Act:
    return Act(*row)


def _cells(act: Act) -> tuple[str, ...]:
    at = act.at.astimezone(dt.UTC).isoformat()
    facts = json.dumps(act.facts, sort_keys=True)
    words = (act.person or "", act.email or "", act.act, act.words, act.subject, facts)
    return (str(act.number), at, *map(guard, words), act.digest)


def _conditions(session: Session, practice_id: int, wanted: Wanted, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.person is not None:
        found.append(AuditEntry.user_id == _person(session, practice_id, wanted.person))
    if wanted.job is not None:
        found.append(AuditEntry.subject == f"job:{wanted.job}")
    if wanted.claim is not None:
        found.append(_about_claim(session, practice_id, wanted.claim))
    if wanted.from_day is not None:
        found.append(AuditEntry.at >= dt.datetime.combine(wanted.from_day, dt.time(), zone))
    if wanted.to_day is not None:
        found.append(AuditEntry.at < dt.datetime.combine(wanted.to_day + dt.timedelta(days=1), dt.time(), zone))
    return found


def _person(session: Session, practice_id: int, email: str) -> int:
    of_practice = (User.practice_id == practice_id, User.email == email.strip().lower())
    user_id = session.scalar(select(User.id).where(*of_practice))
    if user_id is None:
        raise BadAuditFilter(f"person: nobody in this practice has the address {email[:100]}")
    return user_id


def _about_claim(session: Session, practice_id: int, number: str) -> ColumnElement[bool]:
    """What was done to the claim itself, and to the jobs that hold it."""
    claim_id = session.scalar(select(Claim.id).where(Claim.practice_id == practice_id, Claim.external_id == number))
    if claim_id is None:
        raise BadAuditFilter(f"claim: there is no claim {number[:100]} in this practice")
    jobs = select(func.concat("job:", cast(JobItem.job_id, Text))).where(
        JobItem.practice_id == practice_id, JobItem.claim_id == claim_id
    )
    return or_(AuditEntry.subject == f"claim:{number}", AuditEntry.subject.in_(jobs))
