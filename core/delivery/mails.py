"""Compose the e-mails: notices, run reports, and links to set a password. They have no patient data."""

import datetime as dt
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.access import audit, password_links
from core.access.audit import Subject
from core.clock_times import clock, zone_words
from core.delivery.outbox import Lease
from core.enums.notices import NoticeKind, OutboxState
from core.jobs import codes, event_sentences
from core.models.notices import Event, Notice, OutboxMessage
from core.models.people import PasswordLink, User
from core.models.practices import Practice
from core.models.schedules import ScheduleRun
from core.schedules import descriptions, reports, run_mail
from core.settings import load_settings

_WHY: Final = "You get this e-mail because you chose it under Notices, where you can also turn it off."


class Mail(NamedTuple):
    """One e-mail, ready to be sent."""

    message: EmailMessage
    to: Sequence[str]
    run: ScheduleRun | None = None  # of a run report
    is_final: bool = True  # the report will not change again


def compose(session: Session, lease: Lease, *, now: dt.datetime) -> Mail:
    """Return the leased e-mail. It goes to no user whose account was deactivated since it was queued."""
    queued = session.get_one(OutboxMessage, (lease.practice_id, lease.message_id))
    if queued.run_id is not None:
        return _report(session, queued, now=now)
    if queued.password_link_id is not None:
        return _password_link(session, queued.password_link_id, now=now)
    notice = session.get_one(Notice, (lease.practice_id, queued.notice_id))
    user = session.get_one(User, notice.user_id)
    to = user.email
    message = _message(now, [to], subject=_sentence(session, notice), name=f"notice.{notice.practice_id}.{notice.id}")
    lines = [f"{_sentence(session, notice)}.", "", *_links(session, notice), *_last_entry(session, notice), _WHY]
    message.set_content("\n".join(lines))
    return Mail(message, [to] if user.active else [])


def _without_deactivated(session: Session, practice_id: int, addresses: Sequence[str]) -> list[str]:
    left = select(func.lower(User.email)).where(User.practice_id == practice_id, ~User.active)
    deactivated = set(session.scalars(left.where(func.lower(User.email).in_([one.lower() for one in addresses]))))
    return [address for address in addresses if address.lower() not in deactivated]


def _sentence(session: Session, notice: Notice) -> str:
    return event_sentences.sentence(session.get_one(Event, (notice.practice_id, notice.event_id)))


def _links(session: Session, notice: Notice) -> list[str]:
    base = load_settings().public_url
    if base is None:
        return []
    facts = session.get_one(Event, (notice.practice_id, notice.event_id)).facts
    page = "/webhooks" if notice.kind is NoticeKind.WEBHOOK else f"/jobs/{notice.job_id}"
    if "request_id" in facts:
        page = "/approvals"  # which lists the postings that wait, and the decisions
    if notice.kind is NoticeKind.REVIEW:
        page = f"/review?week={facts['week']}"
    if notice.kind is NoticeKind.IMPORT:
        page = f"/imports/{facts['import_id']}" if "import_id" in facts else "/imports"
    return [f"Open: {base}{page}", f"All notices: {base}/notices", ""]


def _last_entry(session: Session, notice: Notice) -> list[str]:
    if notice.kind is not NoticeKind.REVIEW:
        return []
    facts = session.get_one(Event, (notice.practice_id, notice.event_id)).facts
    return [
        f"The audit log's last entry is number {facts['number']:,}, with this checksum:",
        facts["sha256"],
        "Keep this e-mail. It shows later whether the log was rewritten: settle verify --head NUMBER:CHECKSUM.",
        "",
    ]


def _message(now: dt.datetime, to: Sequence[str], *, subject: str, name: str) -> EmailMessage:
    """Return an e-mail without its text. Every try has the same id, so that a mail server can recognize it."""
    sender = load_settings().mail_from or ""
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{name}@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    return message


def _password_link(session: Session, link_id: int, *, now: dt.datetime) -> Mail:
    """Return the e-mail with a link. It goes to no user if the link expired while the mail server was down."""
    link = session.get_one(PasswordLink, link_id)
    user = session.get_one(User, link.user_id)
    practice = session.get_one(Practice, user.practice_id)
    token = password_links.renew_token(session, link.id, now)
    message = _message(now, [user.email], subject="Set your password for Batch Settle", name=f"password-link.{link.id}")
    expires = link.expires_at.astimezone(ZoneInfo(practice.time_zone))
    at = clock(expires)
    lines = [
        f"{user.name}, use this link to set your password for {practice.name} in Batch Settle:",
        "",
        f"{load_settings().public_url}{password_links.path(token or '')}",
        "",
        f"The link works once. It expires on {expires:%m/%d/%Y} at {at} ({zone_words(practice.time_zone)}).",
        "If you did not expect this e-mail, do nothing. Your current password still works.",
    ]
    message.set_content("\n".join(lines))
    return Mail(message, [user.email] if token and user.active else [])


def finish_report(session: Session, lease: Lease, mail: Mail, state: OutboxState, *, now: dt.datetime) -> None:
    """Record that the report was sent or given up. If it was not final, queue the final one."""
    assert mail.run is not None
    if state is OutboxState.SENT and not mail.is_final:
        run_mail.queue(session, mail.run, is_followup=True, now=now)
    if state is not OutboxState.DUE:
        subject = Subject.of("schedule", mail.run.schedule_id, practice_id=lease.practice_id)
        facts = {"run": mail.run.id, "tries": lease.tries}
        audit.record(session, f"schedule.mail_{state.value}", subject, by=None, now=now, **facts)


def _report(session: Session, queued: OutboxMessage, *, now: dt.datetime) -> Mail:
    run = session.get_one(ScheduleRun, (queued.practice_id, queued.run_id))
    zone = ZoneInfo(session.get_one(Practice, run.practice_id).time_zone)
    run_date = run.local_date or run.created_at.astimezone(zone).date()
    report = reports.report_for_run(session, run, now=now)
    what, words = "final result: " if queued.is_followup else "", descriptions.REPORT_WORDS[report.state]
    message = _message(
        now,
        _without_deactivated(session, run.practice_id, run.schedule_snapshot["mail_to"]),
        subject=f"Schedule {run.schedule_id}, {run_date:%m/%d/%Y}: {what}{words}",
        name=f"schedule-run.{run.practice_id}.{run.id}.{queued.id}",
    )
    message.set_content("\n".join(_lines(run, report)))
    # A follow-up goes out when its job ended. A retry of failed claims after that is not reported again.
    to = _without_deactivated(session, run.practice_id, queued.pending_to)
    return Mail(message, to, run, is_final=report.is_final or queued.is_followup)


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
