"""A user's notices: unread ones, all of them, marking as read, and which kinds come by e-mail."""

import datetime as dt
import operator
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.notices import NoticeKind
from core.errors import NotFound, or_raise
from core.models.jobs import SettleJob
from core.models.notices import Event, MailOptOut, Notice
from core.models.people import User
from core.money import format_cents


class NoSuchNotice(NotFound):
    """There is no such notice for you."""


class NoticeOfEvent(NamedTuple):
    """A notice, the event that it is about, and what users of the practice see of its job. No e-mail has that."""

    notice: Notice
    event: Event
    job_name: str | None
    requested_by: str | None
    cents: int | None  # what the job writes off or restores, by its preview

    @property
    def details(self) -> str:
        """Return the job's name and, if the notice asks for a decision, its requester and dollars.

        Of a posting by hand, return the claim and the dollars.
        """
        if "request_id" in self.event.facts:
            return f"claim {self.event.facts['claim_ids'][0]}, {format_cents(self.event.facts['amount_cents'])}"
        asks = self.notice.kind in (NoticeKind.APPROVAL, NoticeKind.EXPIRES)
        more = (
            [f"requested by {self.requested_by}", format_cents(self.cents or 0)] if asks and self.requested_by else []
        )
        return ", ".join(filter(None, [self.job_name, *more]))


class Unread(NamedTuple):
    """The newest unread notices, and how many there are."""

    total: int
    newest: list[NoticeOfEvent]


def unread(session: Session, by: Actor, *, limit: int) -> Unread:
    """Return the user's unread notices. Every open page asks this every few seconds: one query of an index."""
    found = _of(by).add_columns(func.count().over()).where(Notice.read_at.is_(None))
    rows = session.execute(found.order_by(Notice.id.desc()).limit(limit)).all()
    return Unread(rows[0][-1] if rows else 0, [NoticeOfEvent(*row[:-1]) for row in rows])


def list_notices(
    session: Session, by: Actor, *, unread_only: bool = False, before: int | None = None, limit: int
) -> Sequence[NoticeOfEvent]:
    """Return the user's notices, newest first, with ids below `before`."""
    found = _of(by)
    if unread_only:
        found = found.where(Notice.read_at.is_(None))
    if before is not None:
        found = found.where(Notice.id < before)
    return [NoticeOfEvent(*row) for row in session.execute(found.order_by(Notice.id.desc()).limit(limit))]


def mark(session: Session, notice_id: int, *, is_read: bool, by: Actor, now: dt.datetime) -> Notice:
    """Mark one of the user's notices as read or unread. Raise `NoSuchNotice`."""
    this = select(Notice).where(*_mine(by), Notice.id == notice_id)
    notice = or_raise(session.scalars(this.with_for_update()).one_or_none(), NoSuchNotice)
    notice.read_at = (notice.read_at or now) if is_read else None
    return notice


def mark_all_read(session: Session, *, through: int | None = None, by: Actor, now: dt.datetime) -> int:
    """Mark the user's notices as read. Return how many. A notice newer than `through` has not been seen yet."""
    seen = [Notice.id <= through] if through is not None else []
    marked = update(Notice).where(*_mine(by), Notice.read_at.is_(None), *seen).values(read_at=now)
    return len(session.scalars(marked.returning(Notice.id)).all())


def kinds_by_mail(session: Session, by: Actor) -> list[NoticeKind]:
    """Return the kinds of notices that the user gets by e-mail."""
    declined = set(session.scalars(select(MailOptOut.kind).where(MailOptOut.user_id == by.user_id)))
    return [kind for kind in NoticeKind if kind not in declined]


def choose_mail(session: Session, kinds: Collection[NoticeKind], *, by: Actor, now: dt.datetime) -> None:  # noqa: ARG001
    """Send the user these kinds of notices by e-mail, and no others."""
    session.execute(delete(MailOptOut).where(MailOptOut.user_id == by.user_id, MailOptOut.kind.in_(kinds)))
    declined = [{"user_id": by.user_id, "kind": kind} for kind in NoticeKind if kind not in kinds]
    if declined:
        session.execute(insert(MailOptOut).values(declined).on_conflict_do_nothing())


def _mine(by: Actor) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Notice.practice_id == by.practice_id, Notice.user_id == by.user_id


def _of(by: Actor) -> Select[Any]:
    of_event = (Event.practice_id == Notice.practice_id) & (Event.id == Notice.event_id)
    of_job = (SettleJob.practice_id == Notice.practice_id) & (SettleJob.id == Notice.job_id)
    requester = (User.practice_id == SettleJob.practice_id) & (User.id == SettleJob.requested_by)
    sides = (cast(SettleJob.preview[f"{side}_cents"].astext, BigInteger) for side in ("insurance", "patient"))
    found = select(Notice, Event, SettleJob.name, User.name, operator.add(*sides)).join(Event, of_event)
    return found.outerjoin(SettleJob, of_job).outerjoin(User, requester).where(*_mine(by))
