"""Ask once more for the claims of a preview: it expired, its month was closed, or its reason is to be another."""

import datetime as dt
from collections.abc import Callable

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.claims.models import Claim
from core.errors import Refusal
from core.jobs import commands, queries
from core.jobs.keys import JobKey
from core.jobs.models import JobItem, JobStatus, SettleJob


class PreviewGone(Refusal):
    """The claims of this preview are no longer kept; select them again in the Live Claims Feed."""

    code = "preview_gone"


def preview_again(
    session: Session, key: JobKey, make: Callable[[list[str]], SettleJob], *, by: Actor, now: dt.datetime
) -> SettleJob:
    """Let `make` preview the claims of job `key` once more, by their numbers, and give the old preview up.

    Raises what `make` raises, and `PreviewGone` where the claims were removed.
    """
    old = queries.find(session, key)
    job = make(_claim_ids(session, key))
    if old.status is JobStatus.PREVIEWED and old.id != job.id:
        commands.discard(session, key, by=by, now=now)
    return job


def _claim_ids(session: Session, key: JobKey) -> list[str]:
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    found = session.scalars(
        select(Claim.external_id).join(JobItem, of_item).where(*key.of(JobItem)).order_by(JobItem.position)
    ).all()
    if not found:
        raise PreviewGone
    return list(found)
