"""E-mail run reports: counts and links, without patient data.

Each report is leased in one transaction and sent outside of any transaction.

The lease is committed before sending, so that two workers never send the same report. If a worker dies in between, the
report is sent again under the same Message-ID, so that a mail server can recognize it.
"""

import datetime as dt
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.jobs import codes
from core.jobs.execution.engine import Clock
from core.models.jobs import FINAL_STATUSES, SettleJob
from core.models.practices import Practice
from core.models.schedules import MailState, ScheduleRun
from core.schedules import descriptions, reports, smtp
from core.schedules.runs import MAIL_EXPIRES_AFTER
from core.settings import load_settings

log: Final = structlog.get_logger(__name__)

MAILS_PER_ROUND_MAX: Final = 20
LEASE: Final = dt.timedelta(minutes=10)  # far longer than sending takes, so by then the worker with the lease is dead
# The last wait repeats until `MAIL_EXPIRES_AFTER`, so that a server repaired after a weekend still gets the report.
RETRY_WAITS: Final = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240))


class _MailLease(NamedTuple):
    """One report that this process sends, and the number of the try."""

    practice_id: int
    run_id: int
    tries: int
    left: list[str]  # addresses that the report has not been sent to yet
    gives_up_at: dt.datetime

    def is_still_leased(self) -> tuple[ColumnElement[bool], ...]:
        """Return, as SQL, whether the run's mail is still leased to us."""
        return (
            ScheduleRun.practice_id == self.practice_id,
            ScheduleRun.id == self.run_id,
            ScheduleRun.mail_state == MailState.SENDING,
            ScheduleRun.mail_tries == self.tries,
        )


class _SendResult(NamedTuple):
    """The result of a try."""

    left: list[str]  # addresses that were refused
    is_final: bool = False  # the report will not change again
    is_away: bool = False  # the server does not answer, so skip the other reports


def queue_reports(session: Session, *, now: dt.datetime) -> bool:
    """Queue the reports of runs that ended or need a decision. Return whether one can be sent now."""
    if load_settings().smtp_url is None:
        return False
    job = (SettleJob.practice_id == ScheduleRun.practice_id, SettleJob.id == ScheduleRun.job_id)
    rests = or_(ScheduleRun.job_id.is_(None), exists().where(*job, SettleJob.status.in_(reports.STOPPED_STATUSES)))
    wanted = and_(
        ScheduleRun.mail_state == MailState.NONE,
        ScheduleRun.mail_not_before.is_not(None),  # unset if there is no address
        ScheduleRun.mail_not_before > now - MAIL_EXPIRES_AFTER,
    )
    begins = {"mail_state": MailState.DUE, "mail_queued_at": now}
    session.execute(update(ScheduleRun).where(wanted, rests).values(begins))
    # A report was sent while a decision was pending. Now that the job has ended, send its result too.
    ended = and_(
        ScheduleRun.mail_followup,
        ScheduleRun.mail_state == MailState.SENT,
        exists().where(*job, SettleJob.status.in_(FINAL_STATUSES)),
    )
    restart = {"mail_pending_to": ScheduleRun.schedule_snapshot["mail_to"], "mail_tries": 0, "mail_not_before": now}
    session.execute(update(ScheduleRun).where(ended).values({**begins, **restart}))
    return bool(session.scalar(select(exists().where(_is_sendable(now)))))


def send_due(sessions: Sessions, *, clock: Clock) -> int:
    """Send the reports that are due. Return how many were sent. Stop if the mail server does not answer."""
    sent = 0
    if load_settings().smtp_url is None:
        return sent
    for _ in range(MAILS_PER_ROUND_MAX):
        with transaction(sessions) as session:
            timeouts.set_timeouts(session)
            claim = _lease_mail(session, now=clock())
        if claim is None:
            break
        went = _send(sessions, claim, now=clock())
        with transaction(sessions) as session:
            timeouts.set_timeouts(session)
            sent += _finish(session, claim, went, now=clock()) is MailState.SENT
        if went.is_away:
            break
    return sent


def _is_sendable(now: dt.datetime) -> ColumnElement[bool]:
    waits = ScheduleRun.mail_state.in_((MailState.DUE, MailState.SENDING))
    return and_(waits, ScheduleRun.mail_not_before <= now)


def _lease_mail(session: Session, *, now: dt.datetime) -> _MailLease | None:
    oldest = select(ScheduleRun).where(_is_sendable(now)).order_by(ScheduleRun.mail_not_before).limit(1)
    run = session.scalars(oldest.with_for_update(skip_locked=True)).one_or_none()
    if run is None:
        return None
    run.mail_state, run.mail_not_before = MailState.SENDING, now + LEASE
    run.mail_tries += 1
    assert run.mail_queued_at is not None
    return _MailLease(
        run.practice_id, run.id, run.mail_tries, run.mail_pending_to, run.mail_queued_at + MAIL_EXPIRES_AFTER
    )


def _send(sessions: Sessions, claim: _MailLease, *, now: dt.datetime) -> _SendResult:
    """Send the report outside of any transaction. Return the result."""
    where = log.bind(practice_id=claim.practice_id, run_id=claim.run_id, tries=claim.tries)
    try:
        with sessions() as session:
            timeouts.set_timeouts(session)
            message, is_final = _message(session, claim, now=now)
        url = load_settings().smtp_url
        assert url is not None
        left = smtp.send(url.get_secret_value(), message, to=claim.left)
    except smtp.MailServerUnavailable as error:
        where.warning("mail_server_away", error=str(error))
        return _SendResult(claim.left, is_away=True)
    except Exception as error:  # noqa: BLE001  whatever it is, the other reports are sent, and this one is tried again
        where.warning("mail_not_sent", error=type(error).__name__)
        return _SendResult(claim.left)
    if left:
        where.warning("mail_not_taken_for_all", addresses=len(left))
    return _SendResult(left, is_final=is_final)


def _finish(session: Session, claim: _MailLease, went: _SendResult, *, now: dt.datetime) -> MailState:
    state = MailState.DUE if went.left else MailState.SENT
    if went.left and now >= claim.gives_up_at:
        state = MailState.GIVEN_UP
    wait = RETRY_WAITS[min(claim.tries, len(RETRY_WAITS)) - 1] if state is MailState.DUE else dt.timedelta()
    values: dict[str, Any] = {"mail_state": state, "mail_pending_to": went.left, "mail_not_before": now + wait}
    if state is MailState.SENT:
        values |= {"mail_sent_at": now, "mail_followup": not went.is_final}
    finished = update(ScheduleRun).where(*claim.is_still_leased()).values(values).returning(ScheduleRun.schedule_id)
    schedule_id = session.scalar(finished)
    if schedule_id is not None and state is not MailState.DUE:
        subject = Subject.of("schedule", schedule_id, practice_id=claim.practice_id)
        facts = {"run": claim.run_id, "tries": claim.tries}
        audit.record(session, f"schedule.mail_{state.value}", subject, by=None, now=now, **facts)
    return state


def _message(session: Session, claim: _MailLease, *, now: dt.datetime) -> tuple[EmailMessage, bool]:
    """Return the mail, and whether its content is final."""
    run = session.get_one(ScheduleRun, {"practice_id": claim.practice_id, "id": claim.run_id})
    zone = ZoneInfo(session.get_one(Practice, claim.practice_id).time_zone)
    run_date = run.local_date or run.created_at.astimezone(zone).date()
    report = reports.report_for_run(session, run, now=now)
    sender = load_settings().mail_from or ""
    message = EmailMessage()
    what, words = "final result: " if run.mail_followup else "", descriptions.REPORT_WORDS[report.state]
    message["Subject"] = f"Schedule {run.schedule_id}, {run_date:%m/%d/%Y}: {what}{words}"
    message["From"] = sender
    message["To"] = ", ".join(run.schedule_snapshot["mail_to"])
    message["Date"] = format_datetime(now)
    this = f"{run.practice_id}.{run.id}.{run.mail_queued_at:%Y%m%d%H%M%S%f}"
    message["Message-ID"] = f"<schedule-run.{this}@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_lines(run, report)))
    return message, report.is_final


def _lines(run: ScheduleRun, report: reports.RunReport) -> list[str]:
    lines = [report.sentence, ""]
    if not report.is_final:
        lines += ["This is not final. Another e-mail will follow.", ""]
    if report.job_id is not None:
        names = ("claims", "settled", "skipped", "failed", "remaining")
        lines += [f"{name.capitalize()}: {getattr(report, name):,}" for name in names]
        lines += [f"  {claims:,} for this reason: {codes.describe(code)}" for code, claims in report.by_code]
        lines += [f"  {codes.describe(code)}, so the job needs another user's approval" for code in report.over]
    base = load_settings().public_url
    if base is not None:
        lines += ["", f"Report: {base}/schedule-runs/{run.id}", f"Schedule: {base}/schedules/{run.schedule_id}"]
        lines += [f"Job: {base}/jobs/{report.job_id}"] if report.job_id is not None else []
        lines += [f"Job that reserved its claims: {base}/jobs/{job_id}" for job_id in report.held_by]
    return lines
