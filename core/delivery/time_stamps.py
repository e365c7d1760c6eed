"""Requests to the time-stamping authority, one after the other."""

from typing import Final

import structlog
from sqlalchemy import select

from core import time_stamp
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.delivery import outbox, web_request
from core.delivery.requests import Waiting
from core.jobs.execution.engine import Clock
from core.models.notices import OutboxMessage
from core.models.people import TimeStamp
from core.settings import load_settings
from core.time_stamp import BadTimeStamp

log: Final = structlog.get_logger(__name__)

STAMPS_PER_ROUND_MAX: Final = 20
BAD_TIME_STAMP: Final = "bad_time_stamp"


def send_due(sessions: Sessions, *, clock: Clock, waiting: Waiting) -> int:
    """Ask for the time stamps that are due. Stop at the first failure. Return how many were given."""
    for given in range(STAMPS_PER_ROUND_MAX):
        with transaction(sessions) as session:
            timeouts.set_timeouts(session)
            lease = outbox.lease_time_stamp(session, now=clock())
        if lease is None:
            return given
        of_message = (OutboxMessage.practice_id == TimeStamp.practice_id) & (
            OutboxMessage.time_stamp_id == TimeStamp.id
        )
        with transaction(sessions, lease.practice_id) as session:
            timeouts.set_timeouts(session)
            asked = select(TimeStamp).join(OutboxMessage, of_message).where(*lease.is_still_leased())
            stamp = session.scalars(asked).one()
            stamp_id, digest = stamp.id, stamp.digest
        with waiting():
            answer, result = _ask(digest)
        with transaction(sessions, lease.practice_id) as session:
            timeouts.set_timeouts(session)
            state = outbox.finish(session, lease, is_sent=answer is not None, result=result, now=clock())
            if answer is not None and state is not None:
                session.get_one(TimeStamp, (lease.practice_id, stamp_id)).answer = answer
        if answer is None:
            log.warning("time_stamp_not_given", practice_id=lease.practice_id, tries=lease.tries, result=result)
            return given
    return STAMPS_PER_ROUND_MAX


def _ask(digest: str) -> tuple[bytes | None, str]:
    """Return the authority's answer if it is a time stamp of the digest, and the result of the try."""
    settings, request = load_settings(), time_stamp.request_for(digest)
    assert settings.timestamp_url is not None, "checked by the caller"
    assert settings.timestamp_ca is not None, "checked with the settings"
    headers = {"Content-Type": time_stamp.QUERY_TYPE, "User-Agent": "Batch-Settle"}
    given = web_request.fetch(
        "POST", settings.timestamp_url, headers, request.as_bytes(), reach=settings.webhook_reach,
        bytes_max=time_stamp.ANSWER_BYTES_MAX, seconds=web_request.TOTAL_SECONDS,
    )  # fmt: skip
    if not given.result.startswith("HTTP 2"):
        return None, given.result
    try:
        time_stamp.stamped_at(given.content, digest, trusted=settings.timestamp_ca, request=request)
    except BadTimeStamp:
        return None, BAD_TIME_STAMP
    return given.content, given.result
