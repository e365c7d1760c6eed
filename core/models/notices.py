"""Events of jobs, the notices of them to users, webhooks, and the outbox of what is still to be sent."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, GeneratedId, OfPractice, PracticeId, Str, Timestamp, UserId, enum_column
from core.enums.notices import EventKind, NoticeKind, OutboxState


class Event(Base):
    """Something that happened, mostly to a job, written in the transaction that did it."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "job_id"], ["settle_job.practice_id", "settle_job.id"]),
        Index(
            "one_warning_for_each_deadline", "practice_id", "job_id", "kind", unique=True,
            postgresql_where=text("kind IN ('job.preview_expires_soon', 'job.approval_expires_soon')"),
        ),
        Index(  # `at` is when it is due
            "one_regular_event_for_each_time", "practice_id", "kind", "at", unique=True,
            postgresql_where=text("kind IN ('review.ready', 'audit.last_entry')"),
        ),
        Index("ix_event_job", "practice_id", "job_id"),
        Index("ix_event_at", "at"),
    )  # fmt: skip

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    kind: Mapped[EventKind] = mapped_column(enum_column(EventKind, "event_kind_known"))
    at: Mapped[Timestamp]
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    facts: Mapped[dict[str, Any]]  # ids, codes, counts and cents; never a name or a note


class Notice(Base):
    """An event as one user sees it."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "event_id"], ["event.practice_id", "event.id"]),
        UniqueConstraint("practice_id", "event_id", "user_id", name="one_notice_for_each_user_and_event"),
        Index("ix_notice_user", "practice_id", "user_id", "id"),
        Index("ix_notice_unread", "practice_id", "user_id", "id", postgresql_where=text("read_at IS NULL")),
        Index("ix_notice_read", "read_at", postgresql_where=text("read_at IS NOT NULL")),
        Index("ix_notice_open_of_job", "practice_id", "job_id", postgresql_where=text("read_at IS NULL")),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[GeneratedId]
    event_id: Mapped[BigInt]
    user_id: Mapped[UserId]
    kind: Mapped[NoticeKind] = mapped_column(enum_column(NoticeKind, "notice_kind_known"))
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[Timestamp]
    read_at: Mapped[dt.datetime | None]  # also set when the notice no longer needs the user


class Webhook(Base):
    """An address of the practice that gets events as signed requests."""

    __table_args__ = (
        CheckConstraint("(old_secret IS NULL) = (old_secret_until IS NULL)", name="an_old_secret_ends"),
        UniqueConstraint("practice_id", "request_key", name="one_webhook_for_each_request"),
    )

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    url: Mapped[Str]
    kinds: Mapped[list[str]]  # of events, in the order of `EventKind`
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    request_key: Mapped[str | None]  # of the user's request that added it, so that a repeated one adds no second one
    request_hash: Mapped[str | None]
    secret: Mapped[Str]  # signs each request, so it cannot be a hash
    secret_created_at: Mapped[Timestamp]  # a page shows the secret for a few minutes
    old_secret: Mapped[str | None]  # also signs until then
    old_secret_until: Mapped[dt.datetime | None]
    created_by: Mapped[BigInt]
    created_at: Mapped[Timestamp]
    deleted_at: Mapped[dt.datetime | None]
    not_before: Mapped[dt.datetime | None]  # a request is under way until then, or one failed a moment ago
    failures: Mapped[int] = mapped_column(default=0, server_default="0")  # tries since the last success
    failing_since: Mapped[dt.datetime | None]  # when the first delivery was given up after the last success


class OutboxMessage(Base):
    """One e-mail, or one request to a webhook or a time-stamping authority, written in the transaction of its cause."""

    __tablename__ = "outbox"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "notice_id"], ["notice.practice_id", "notice.id"]),
        ForeignKeyConstraint(["practice_id", "run_id"], ["schedule_run.practice_id", "schedule_run.id"]),
        ForeignKeyConstraint(["practice_id", "webhook_id"], ["webhook.practice_id", "webhook.id"]),
        ForeignKeyConstraint(["practice_id", "event_id"], ["event.practice_id", "event.id"]),
        ForeignKeyConstraint(["password_link_id"], ["password_link.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["practice_id", "time_stamp_id"], ["time_stamp.practice_id", "time_stamp.id"]),
        CheckConstraint(
            "num_nonnulls(notice_id, run_id, webhook_id, password_link_id, time_stamp_id) = 1",
            name="a_message_has_one_subject",
        ),
        CheckConstraint("(webhook_id IS NULL) = (event_id IS NULL)", name="a_webhook_gets_an_event"),
        UniqueConstraint("practice_id", "notice_id", name="one_mail_for_each_notice"),
        UniqueConstraint("practice_id", "run_id", "is_followup", name="one_report_and_one_followup_for_each_run"),
        UniqueConstraint("practice_id", "webhook_id", "event_id", name="one_delivery_for_each_webhook_and_event"),
        Index("ix_outbox_unsent", "not_before", postgresql_where=text("state IN ('due', 'sending')")),
        Index("ix_outbox_ended", "queued_at", postgresql_where=text("state IN ('sent', 'given_up', 'waiting')")),
        Index("ix_outbox_event", "practice_id", "event_id", postgresql_where=text("event_id IS NOT NULL")),
        Index("ix_outbox_link", "password_link_id", postgresql_where=text("password_link_id IS NOT NULL")),
        Index("ix_outbox_waiting", "practice_id", "run_id", postgresql_where=text("state = 'waiting'")),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[GeneratedId]
    notice_id: Mapped[int | None] = mapped_column(BigInteger)  # an e-mail to a user
    run_id: Mapped[int | None] = mapped_column(BigInteger)  # an e-mail with a run report
    # The job had not ended when the report was sent, so a second one follows.
    is_followup: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    webhook_id: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    password_link_id: Mapped[int | None] = mapped_column(BigInteger)  # an e-mail with a link to set a password
    time_stamp_id: Mapped[int | None] = mapped_column(BigInteger)  # a request to a time-stamping authority
    state: Mapped[OutboxState] = mapped_column(enum_column(OutboxState, "outbox_state_known"))
    pending_to: Mapped[list[str]] = mapped_column(default=list, server_default="[]")  # addresses without the e-mail
    queued_at: Mapped[Timestamp]  # sending is retried for three days from here
    not_before: Mapped[Timestamp]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    last_result: Mapped[str | None]  # of the last try: "HTTP 204", or the class of an error
    sent_at: Mapped[dt.datetime | None]


class MailOptOut(Base):
    """A kind of notice that a user does not want by e-mail."""

    __table_args__ = (ForeignKeyConstraint(["user_id"], ["app_user.id"]),)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[NoticeKind] = mapped_column(enum_column(NoticeKind, "mail_opt_out_kind_known"), primary_key=True)
