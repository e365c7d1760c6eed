"""Send what is due in the outbox: e-mails and time-stamp requests in turn, and requests to several webhooks at once.

Nothing is sent inside a transaction. Each message is leased before and recorded after (`core.delivery.outbox`).
"""

import datetime as dt
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final, NamedTuple

import structlog
from sqlalchemy.orm import Session

from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.delivery import mails, outbox, requests, smtp, time_stamps
from core.delivery.mails import Mail
from core.delivery.outbox import Lease
from core.delivery.requests import Waiting
from core.enums.notices import OutboxState
from core.jobs.execution.engine import Clock
from core.settings import load_settings

log: Final = structlog.get_logger(__name__)

MAILS_PER_ROUND_MAX: Final = 20
DEACTIVATED: Final = "user_deactivated"


def send_due(sessions: Sessions, *, clock: Clock, waiting: Waiting = nullcontext) -> int:
    """Send the messages that are due. Return how many were sent. `waiting` surrounds each wait for another server."""
    settings = load_settings()
    with sessions() as session:
        if not outbox.has_due(session, now=clock()):
            return 0
    sent = requests.send_due(sessions, clock=clock, waiting=waiting)
    if settings.timestamp_url is not None:
        sent += time_stamps.send_due(sessions, clock=clock, waiting=waiting)
    return sent + (_send_mails(sessions, clock=clock, waiting=waiting) if settings.smtp_url is not None else 0)


def _send_mails(sessions: Sessions, *, clock: Clock, waiting: Waiting) -> int:
    """Send the e-mails that are due. Stop if the mail server does not answer."""
    sent = 0
    for _ in range(MAILS_PER_ROUND_MAX):
        with transaction(sessions) as session:
            timeouts.set_timeouts(session)
            lease = outbox.lease_mail(session, now=clock())
        if lease is None:
            break
        tried = _send(sessions, lease, now=clock(), waiting=waiting)
        with transaction(sessions, lease.practice_id) as session:
            timeouts.set_timeouts(session)
            sent += _finish(session, lease, tried, clock=clock) is OutboxState.SENT
        if tried.is_away:
            break
    return sent


class _Try(NamedTuple):
    """The result of a try."""

    mail: Mail | None = None  # None: it could not be composed
    left: Sequence[str] | None = None  # addresses that were refused; None: nothing was sent
    result: str | None = None  # a code for what failed
    is_dropped: bool = False  # it must not be sent
    is_away: bool = False  # the server does not answer, so skip the other e-mails


def _send(sessions: Sessions, lease: Lease, *, now: dt.datetime, waiting: Waiting) -> _Try:
    where = log.bind(practice_id=lease.practice_id, message_id=lease.message_id, tries=lease.tries)
    mail, url = None, load_settings().smtp_url
    assert url is not None
    try:
        with transaction(sessions, lease.practice_id) as session:  # a link to set a password gets a new token
            timeouts.set_timeouts(session)
            mail = mails.compose(session, lease, now=now)
        if not mail.to:
            return _Try(mail, result=DEACTIVATED, is_dropped=True)
        with waiting():
            left = smtp.send(url.get_secret_value(), mail.message, to=mail.to)
    except smtp.MailServerUnavailable as error:
        where.warning("mail_server_away", error=str(error))
        return _Try(mail, result=str(error), is_away=True)
    except Exception as error:  # noqa: BLE001  whatever it is, the other e-mails are sent, and this one is tried again
        where.warning("mail_not_sent", error=type(error).__name__)
        return _Try(mail, result=type(error).__name__)
    if left:
        where.warning("mail_not_taken_for_all", addresses=len(left))
    return _Try(mail, left, "refused" if left else None)


def _finish(session: Session, lease: Lease, tried: _Try, *, clock: Clock) -> OutboxState | None:
    if tried.is_dropped:
        lease = lease._replace(gives_up_at=clock())
    is_sent = tried.left is not None and not tried.left
    left = lease.left if tried.left is None else tried.left
    state = outbox.finish(session, lease, is_sent=is_sent, left=left, result=tried.result, now=clock())
    if state is not None and tried.mail is not None and tried.mail.run is not None:
        mails.finish_report(session, lease, tried.mail, state, now=clock())
    return state
