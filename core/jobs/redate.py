"""The same preview once more, dated in the next open month: for a job whose month was closed."""

import datetime as dt
from typing import Any

from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.jobs import again, commands, queries
from core.jobs.keys import JobKey
from core.jobs.models import JobKind, SettleJob
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
    how: dict[str, Any] = {
        "by": by,
        "idempotency_key": f"dated:{key.job_id}:{posting_date}",
        "now": now,
        "chunk_claims": chunk_claims,
    }

    def reverse(claim_ids: list[str]) -> SettleJob:
        assert old.reverses_job_id is not None
        original = JobKey(key.practice_id, old.reverses_job_id)
        return commands.reverse(session, original, claim_ids=claim_ids, note=old.note, posting_date=posting_date, **how)

    def change(claim_ids: list[str]) -> SettleJob:
        asked = {
            "target_status": old.target_status,
            "selection": {"claim_ids": claim_ids},
            "reason": old.reason,
            "note": old.note,
            "include": list(old.include),
            "posting_date": posting_date,
        }
        return commands.preview(session, JobRequest.of(asked), **how)

    make = reverse if old.kind is JobKind.REVERSE else change
    return again.preview_again(session, key, make, by=by, now=now)
