"""The e-mail of run reports in the outbox: when a report is due, and what became of it."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import and_, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from core.enums.jobs import FINAL_STATUSES
from core.enums.notices import OutboxState
from core.models.jobs import SettleJob
from core.models.notices import OutboxMessage
from core.models.schedules import ScheduleRun
from core.schedules import reports
from core.settings import load_settings

MAIL_EXPIRES_AFTER: Final = dt.timedelta(days=3)  # older reports are not worth sending


class MailState(StrEnum):
    """Whether the run report was sent."""

    NONE = "none"  # nothing to send yet
    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    GIVEN_UP = "given_up"


_MAILS: Final = {
    MailState.NONE: "",
    MailState.DUE: "The report has not been e-mailed yet",
    MailState.SENDING: "The report is being e-mailed",
    MailState.SENT: "The report was e-mailed",
    MailState.GIVEN_UP: "The report could not be e-mailed. No more attempts will be made",
}


class RunMail(NamedTuple):
    """The e-mail of one run report."""

    state: MailState = MailState.NONE
    sent_at: dt.datetime | None = None
    pending_to: Sequence[str] = ()  # addresses that the report has not been sent to yet
    tries: int = 0


def queue(session: Session, run: ScheduleRun, *, is_followup: bool = False, now: dt.datetime) -> None:
    """Queue the run's report. It is due when its job ends or needs a user; a follow-up, when its job ends."""
    addresses = run.schedule_snapshot["mail_to"]
    if not addresses or (now - run.due_at >= MAIL_EXPIRES_AFTER and not is_followup):
        return
    session.execute(
        insert(OutboxMessage).values(
            practice_id=run.practice_id, run_id=run.id, is_followup=is_followup, state=OutboxState.WAITING,
            pending_to=addresses, queued_at=now, not_before=now,
        )
    )  # fmt: skip


def release(session: Session, *, now: dt.datetime) -> None:
    """Make the reports due whose run has no job, or whose job ended or needs a decision, if there is a mail server."""
    if load_settings().smtp_url is None:
        return
    job = (SettleJob.practice_id == ScheduleRun.practice_id, SettleJob.id == ScheduleRun.job_id)
    rests = or_(ScheduleRun.job_id.is_(None), exists().where(*job, SettleJob.status.in_(reports.STOPPED_STATUSES)))
    ended = exists().where(*job, SettleJob.status.in_(FINAL_STATUSES))
    ready = (
        OutboxMessage.state == OutboxState.WAITING,
        ScheduleRun.practice_id == OutboxMessage.practice_id,
        ScheduleRun.id == OutboxMessage.run_id,
        or_(
            and_(~OutboxMessage.is_followup, rests, OutboxMessage.queued_at > now - MAIL_EXPIRES_AFTER),
            and_(OutboxMessage.is_followup, ended),
        ),
    )
    session.execute(
        update(OutboxMessage)
        .where(*ready)
        .values(state=OutboxState.DUE, queued_at=now, not_before=now)
        .execution_options(synchronize_session=False)
    )


def for_run(session: Session, run: ScheduleRun) -> RunMail:
    """Return the e-mail of the run's report. Once a follow-up is due, it counts instead of the first report."""
    is_due = OutboxMessage.state != OutboxState.WAITING
    of_run = (OutboxMessage.practice_id == run.practice_id, OutboxMessage.run_id == run.id, is_due)
    last = session.scalar(select(OutboxMessage).where(*of_run).order_by(OutboxMessage.is_followup.desc()).limit(1))
    if last is None:
        return RunMail()
    return RunMail(MailState(last.state.value), last.sent_at, last.pending_to, last.tries)


def describe(mail: RunMail, *, addresses: int) -> str:
    """Say whether the report was sent, and how many of its addresses did not receive it."""
    sentence = _MAILS[mail.state]
    is_partly = mail.tries > 0 and 0 < len(mail.pending_to) < addresses
    return f"{sentence}. {len(mail.pending_to)} of {addresses} addresses did not receive it" if is_partly else sentence
