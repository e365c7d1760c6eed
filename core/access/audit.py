"""Record each act in the audit, in the same transaction as the act itself."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import ColumnElement, insert
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.models.people import AuditEntry, User
from core.models.practices import Practice
from core.models.schedules import Schedule

Audited = Claim | Practice | Schedule | SettleJob | User

_KINDS: Final = {SettleJob: "job", Schedule: "schedule", User: "user"}


class Subject(NamedTuple):
    """The subject of an act as the audit stores it, such as "job:1042" in a practice."""

    practice_id: int
    name: str

    @classmethod
    def of(cls, kind: str, key: object, *, practice_id: int) -> Self:
        """Return the subject with this internal id or, for a claim, with the practice's own number."""
        return cls(practice_id, f"{kind}:{key}")

    @classmethod
    def practice(cls, practice_id: int) -> Self:
        """Return the practice as the subject."""
        return cls.of("practice", practice_id, practice_id=practice_id)

    def matches(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions that select the entries about this subject."""
        return AuditEntry.practice_id == self.practice_id, AuditEntry.subject == self.name


def subject_of(row: Audited) -> Subject:
    """Return the row as the subject."""
    if isinstance(row, Claim):
        return Subject.of("claim", row.external_id, practice_id=row.practice_id)
    if isinstance(row, Practice):
        return Subject.practice(row.id)
    return Subject.of(_KINDS[type(row)], row.id, practice_id=row.practice_id)


def record(
    session: Session, act: str, subject: Subject | Audited, *, by: Actor | int | None, now: dt.datetime, **facts: Any
) -> int:
    """Record that user `by` (None: the system) did `act`, such as "job.confirmed", to the subject.

    Return the entry's id. `facts` are ids, codes and counts in JSON, never a person's name or a note.
    """
    about = subject if isinstance(subject, Subject) else subject_of(subject)
    made = insert(AuditEntry).values(_entry(act, about, facts, by=by, now=now))
    return session.scalars(made.returning(AuditEntry.id)).one()


def record_all(
    session: Session,
    act: str,
    subjects: Sequence[tuple[Subject, dict[str, Any]]],
    *,
    by: Actor | None,
    now: dt.datetime,
) -> None:
    """Record that user `by` did the same to each subject, with its facts, in one statement."""
    if subjects:
        session.execute(insert(AuditEntry), [_entry(act, *one, by=by, now=now) for one in subjects])


def record_hourly(session: Session, act: str, subject: Audited, *, by: Actor, now: dt.datetime) -> None:
    """Record that user `by` did `act` to the subject, once in each hour. An index of the table names such acts."""
    viewed = _entry(act, subject_of(subject), {}, by=by, now=now)
    session.execute(insert_or_skip(AuditEntry).values(viewed).on_conflict_do_nothing())


def _entry(
    act: str, about: Subject, facts: dict[str, Any], *, by: Actor | int | None, now: dt.datetime
) -> dict[str, Any]:
    user_id = by.user_id if isinstance(by, Actor) else by
    return {
        "practice_id": about.practice_id, "subject": about.name, "act": act, "at": now, "facts": facts,
        "user_id": user_id,
    }  # fmt: skip
