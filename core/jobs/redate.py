"""The same preview once more, dated in the next open month: for a job whose month was closed."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.jobs import again, commands, queries
from core.jobs.keys import JobKey
from core.jobs.models import JobKind, JobStatus, SettleJob
from core.jobs.requests import JobRequest


def preview_dated(
    session: Session,
    key: JobKey,
    posting_date: dt.date,
    *,
    by: Actor,
    now: dt.datetime,
    chunk_claims: int | None = None,
) -> SettleJob:
    """Preview what job `key` asked for with another posting date, and give that preview up; asked twice, it is one job.

    Raises what a preview raises, and `PreviewGone`.
    """
    old = queries.find(session, key)
    once = f"dated:{key.job_id}:{posting_date}"
    if old.kind is JobKind.REVERSE:
        assert old.reverses_job_id is not None
        original = JobKey(key.practice_id, old.reverses_job_id)
        job = commands.reverse(
            session, original, claim_ids=again.claim_ids(session, key), note=old.note, posting_date=posting_date, by=by,
            idempotency_key=once, now=now, chunk_claims=chunk_claims,
        )  # fmt: skip
    else:
        asked = {
            "target_status": old.target_status,
            "selection": {"claim_ids": again.claim_ids(session, key)},
            "reason": old.reason,
            "note": old.note,
            "include": list(old.include),
            "posting_date": posting_date,
        }
        job = commands.preview(
            session, JobRequest.of(asked), by=by, idempotency_key=once, now=now, chunk_claims=chunk_claims
        )
    if old.status is JobStatus.PREVIEWED and old.id != job.id:
        commands.discard(session, key, by=by, now=now)
    return job
