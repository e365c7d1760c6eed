"""The morning report by mail: counts and links, nothing of a patient. Claimed in one transaction, sent in none.

That it goes out is written down before it is sent, so that two workers never send it both. A worker that dies in
between leaves it to be sent again, under the same Message-ID, by which a mail server knows it.
"""

import datetime as dt
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.jobs import codes
from core.jobs.engine import Clock
from core.jobs.models import SettleJob
from core.practices.models import Practice
from core.schedules import reports, smtp
from core.schedules.models import MailState, ScheduleRun
from core.schedules.runs import MAIL_LIFE
from core.settings import settings

log: Final = structlog.get_logger(__name__)

MAILS_PER_ROUND_MAX: Final = 20
LEASE: Final = dt.timedelta(minutes=10)  # far longer than a mail can take: whoever had it is dead by then
# About eight hours in all. A server that is down over night takes the mail when somebody mends it in the morning.
WAITS: Final = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240))
TRIES_MAX: Final = len(WAITS) + 1


class _Claim(NamedTuple):
    """One report that this process sends, at its so manieth try."""

    practice_id: int
    run_id: int
    tries: int

    def still_mine(self) -> tuple[ColumnElement[bool], ...]:
        """The run, unless somebody took it over meanwhile."""
        return (
            ScheduleRun.practice_id == self.practice_id,
            ScheduleRun.id == self.run_id,
            ScheduleRun.mail_state == MailState.SENDING,
            ScheduleRun.mail_tries == self.tries,
        )


def queue(session: Session, *, now: dt.datetime) -> bool:
    """Let the reports of runs that have come to rest be mailed; tell whether one can go out now."""
    if settings().smtp_url is None:
        return False
    job = (SettleJob.practice_id == ScheduleRun.practice_id, SettleJob.id == ScheduleRun.job_id)
    rests = or_(ScheduleRun.job_id.is_(None), exists().where(*job, SettleJob.status.in_(reports.AT_REST)))
    wanted = and_(
        ScheduleRun.mail_state == MailState.NONE,
        ScheduleRun.mail_not_before.is_not(None),  # it has none where nobody is to be written to
        ScheduleRun.mail_not_before > now - MAIL_LIFE,
    )
    session.execute(update(ScheduleRun).where(wanted, rests).values(mail_state=MailState.DUE))
    return bool(session.scalar(select(exists().where(_can_go_out(now)))))


def send_due(sessions: Sessions, *, clock: Clock) -> int:
    """Send the reports that are due, one after the other; give how many went out. A server that is away ends it."""
    sent = 0
    if settings().smtp_url is None:
        return sent
    for _ in range(MAILS_PER_ROUND_MAX):
        with transaction(sessions) as session:
            timeouts.limit(session)
            claim = _claim(session, now=clock())
        if claim is None:
            break
        state, is_away = _send(sessions, claim, now=clock())
        with transaction(sessions) as session:
            timeouts.limit(session)
            _finish(session, claim, state, now=clock())
        sent += state is MailState.SENT
        if is_away:
            break
    return sent


def _can_go_out(now: dt.datetime) -> ColumnElement[bool]:
    waits = ScheduleRun.mail_state.in_((MailState.DUE, MailState.SENDING))
    return and_(waits, ScheduleRun.mail_not_before <= now)


def _claim(session: Session, *, now: dt.datetime) -> _Claim | None:
    oldest = select(ScheduleRun).where(_can_go_out(now)).order_by(ScheduleRun.mail_not_before).limit(1)
    run = session.scalars(oldest.with_for_update(skip_locked=True)).one_or_none()
    if run is None:
        return None
    run.mail_state, run.mail_not_before = MailState.SENDING, now + LEASE
    run.mail_tries += 1
    return _Claim(run.practice_id, run.id, run.mail_tries)


def _send(sessions: Sessions, claim: _Claim, *, now: dt.datetime) -> tuple[MailState, bool]:
    """Send it, with no transaction open; give its new state, and whether the server is away."""
    where = log.bind(practice_id=claim.practice_id, run_id=claim.run_id, tries=claim.tries)
    again = MailState.DUE if claim.tries < TRIES_MAX else MailState.GIVEN_UP
    try:
        with sessions() as session:
            timeouts.limit(session)
            message = _message(session, claim, now=now)
        url = settings().smtp_url
        assert url is not None
        smtp.send(url.get_secret_value(), message)
    except smtp.ServerAway as error:
        where.warning("mail_server_away", error=str(error))
        return again, True
    except Exception as error:  # noqa: BLE001  whatever it is, the others go out, and this one is tried again
        where.warning("mail_not_sent", error=type(error).__name__)
        return again, False
    return MailState.SENT, False


def _finish(session: Session, claim: _Claim, state: MailState, *, now: dt.datetime) -> None:
    wait = WAITS[claim.tries - 1] if state is MailState.DUE else None
    values = {
        "mail_state": state,
        "mail_not_before": now + wait if wait else now,
        "mail_sent_at": now if state is MailState.SENT else None,
    }
    finished = update(ScheduleRun).where(*claim.still_mine()).values(values).returning(ScheduleRun.schedule_id)
    schedule_id = session.scalar(finished)
    if schedule_id is not None and state is not MailState.DUE:
        audit.record(
            session, f"schedule.mail_{state.value}", practice_id=claim.practice_id, subject=f"schedule:{schedule_id}",
            by=None, now=now, run=claim.run_id, tries=claim.tries,
        )  # fmt: skip


def _message(session: Session, claim: _Claim, *, now: dt.datetime) -> EmailMessage:
    run = session.get_one(ScheduleRun, {"practice_id": claim.practice_id, "id": claim.run_id})
    zone = ZoneInfo(session.get_one(Practice, claim.practice_id).time_zone)
    night = run.local_date or run.begun_at.astimezone(zone).date()
    report = reports.of_run(session, run, now=now)
    sender = settings().mail_from or ""
    message = EmailMessage()
    message["Subject"] = f"Schedule {run.schedule_id}, {night:%m/%d/%Y}: {report.state.replace('_', ' ')}"
    message["From"] = sender
    message["To"] = ", ".join(run.asked["mail_to"])
    message["Date"] = format_datetime(now)
    message["Message-ID"] = (
        f"<schedule-run.{run.practice_id}.{run.id}.{run.begun_at:%Y%m%d%H%M%S%f}@{sender.partition('@')[2]}>"
    )
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_lines(run, report)))
    return message


def _lines(run: ScheduleRun, report: reports.MorningReport) -> list[str]:
    lines = [report.sentence, ""]
    if report.job_id is not None:
        names = ("claims", "settled", "skipped", "failed", "remaining")
        lines += [f"{name.capitalize()}: {getattr(report, name):,}" for name in names]
        lines += [f"  {claims:,} because: {codes.words(code)}" for code, claims in report.by_code]
        lines += [f"  {codes.words(code)}: it waits for another person" for code in report.over]
    base = settings().public_url
    if base is not None:
        lines += ["", f"Report: {base}/schedule-runs/{run.id}", f"Schedule: {base}/schedules/{run.schedule_id}"]
        lines += [f"Job: {base}/jobs/{report.job_id}"] if report.job_id is not None else []
        lines += [f"Job that holds its claims: {base}/jobs/{job_id}" for job_id in report.held_by]
    return lines
