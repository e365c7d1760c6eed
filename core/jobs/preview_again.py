"""Preview the same claims again: the preview is out of date, its month was closed, or a user changes the reason."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.jobs import JobKind, JobStatus
from core.errors import Refusal
from core.jobs import commands, job_queries
from core.jobs.keys import JobKey
from core.jobs.preview import freezing, selections
from core.jobs.preview.job_request import JobRequest
from core.jobs.results import chosen_reasons
from core.jobs.results.chosen_reasons import ChosenReasons
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.policy.overridable import overridable


class PreviewGone(Refusal):
    """The claims of this preview are no longer stored. Select them again in the Live Claims Feed."""


def preview_again(
    session: Session, key: JobKey, make: Callable[[dict[str, list[str]]], SettleJob], *, by: Actor, now: dt.datetime
) -> SettleJob:
    """Let `make` preview the claims of job `key` again, as a selection, and discard the old preview.

    The new job keeps the name, and what first chose the claims. Raise what `make` raises, and `PreviewGone` if the
    claims were removed.
    """
    old = job_queries.find(session, key)
    job = make({"claim_numbers" if "claim_numbers" in old.selection else "claim_ids": _claim_ids(session, key)})
    job.name = job.name or old.name
    job.selection = {**job.selection, selections.ORIGIN: selections.origin(old)}
    if old.status is JobStatus.PREVIEWED and old.id != job.id:
        commands.discard(session, key, by=by, now=now)
    return job


def preview_not_settled(
    session: Session, key: JobKey, make: Callable[[dict[str, list[str]]], SettleJob], chosen: ChosenReasons
) -> SettleJob:
    """Let `make` preview the claims that job `key` skipped or failed for these reasons, except those it can retry.

    Raise what `make` raises, and `PreviewGone` if no such claim is left.
    """
    old = job_queries.find(session, key)
    claim_ids = _claim_ids(session, key, chosen_reasons.for_new_job(session, old, chosen))
    job = make({"claim_ids": claim_ids})
    origin = {"claim_ids": len(claim_ids), selections.NOT_SETTLED_BY: key.job_id}
    job.selection = {**job.selection, selections.ORIGIN: origin}
    return job


def is_of_list(job: SettleJob) -> bool:
    """Return whether the job's claims came from a list of claim numbers."""
    return "claim_numbers" in selections.origin(job)


def listed_numbers(session: Session, key: JobKey) -> list[str]:
    """Return the claim numbers of the job's list again: those found, then those not found. Raise `PreviewGone`."""
    job = job_queries.find(session, key)
    numbers = selections.origin(job).get("claim_numbers")
    if numbers is None:
        raise PreviewGone
    if isinstance(numbers, list):  # the job is still being prepared
        return numbers
    return [*_claim_ids(session, key), *selections.origin(job).get(freezing.NOT_FOUND, [])]


def _claim_ids(session: Session, key: JobKey, which: ColumnElement[bool] | None = None) -> list[str]:
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    wanted = (*key.of(JobItem), true() if which is None else which)
    found = session.scalars(
        select(Claim.external_id).join(JobItem, of_item).where(*wanted).order_by(JobItem.position)
    ).all()
    if not found:
        raise PreviewGone
    return list(found)


def preview_same_request(
    session: Session,
    key: JobKey,
    *,
    posting_date: dt.date | None = None,
    by: Actor,
    now: dt.datetime,
    chunk_claims: int | None = None,
) -> SettleJob:
    """Preview the claims of job `key` again, with a different posting date if one is given. Discard the old preview.

    A second call returns the same job. Raise what a preview raises, and `PreviewGone`.
    """
    old = job_queries.find(session, key)
    posting_date = posting_date or old.posting_date
    how: dict[str, Any] = {
        "by": by,
        "idempotency_key": f"dated:{key.job_id}:{posting_date}",
        "now": now,
        "chunk_claims": chunk_claims,
    }

    def reverse(selection: dict[str, list[str]]) -> SettleJob:
        assert old.reverses_job_id is not None
        original = JobKey(key.practice_id, old.reverses_job_id)
        return commands.request_reversal(
            session, original, claim_ids=selection["claim_ids"], note=old.note, posting_date=posting_date, **how
        )

    def change(selection: dict[str, list[str]]) -> SettleJob:
        request = {
            "target_status": old.target_status,
            "selection": selection,
            "reason": old.reason_code,
            "note": old.note,
            "include": overridable(old.overridden_rules),
            "posting_date": posting_date,
        }
        return commands.request_preview(session, JobRequest.of(request), **how)

    make = reverse if old.kind is JobKind.REVERSE else change
    return preview_again(session, key, make, by=by, now=now)
