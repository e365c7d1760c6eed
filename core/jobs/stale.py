"""Claims that changed after their preview. The run will skip them."""

from typing import Final

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from core.counting import counted
from core.enums.job_items import Verdict
from core.enums.jobs import JobKind, JobStatus
from core.errors import Refusal
from core.jobs.keys import JobKey
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob

AWAITING_DECISION: Final = (JobStatus.PREVIEWED, JobStatus.AWAITING_APPROVAL)
_CURES: Final = {
    JobStatus.PREVIEWED: "Preview again.",
    JobStatus.AWAITING_APPROVAL: "If that matters, reject the job. Its requester can preview again.",
}


class PreviewStale(Refusal):
    """More claims changed after you saw this preview. Nothing was started. Preview again, or confirm the rest."""


def changed_since_preview_clause() -> ColumnElement[bool]:
    """Return, as SQL, whether an item's claim changed after the preview."""
    return Claim.version != JobItem.claim_version


def count(session: Session, job: SettleJob) -> int | None:
    """Count the claims to settle that changed after the preview, or return None if the job needs no decision."""
    if job.status not in AWAITING_DECISION:
        return None
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    to_settle = (*JobKey(job.practice_id, job.id).of(JobItem), JobItem.verdict == Verdict.SETTLE)
    changed = (
        select(func.count()).select_from(JobItem).join(Claim, of_item).where(*to_settle, changed_since_preview_clause())
    )
    return session.scalars(changed).one()


def check_seen(session: Session, job: SettleJob, seen: int | None) -> None:
    """Raise `PreviewStale` if more claims changed than the user has `seen`. With None, the user was shown no number."""
    changed = count(session, job) if seen is not None else None
    if changed is not None and seen is not None and changed > seen:
        raise PreviewStale(changed_since_preview=changed, changed_words=describe(job, changed))


def describe(job: SettleJob, changed: int | None) -> str:
    """Say how many claims changed and what to do, or return an empty string if none did."""
    if not changed or job.preview is None or job.status not in _CURES:
        return ""
    claims = job.preview["will_settle"]
    how_many = f"{'All' if changed == claims else f'{changed:,} of the'} {counted(claims, 'claim')}"
    if claims == 1:
        how_many = "The claim"
    have = "has" if changed == 1 else "have"
    what = {JobKind.SETTLE: "to settle", JobKind.REVERSE: "to reverse"}.get(job.kind, "to change")
    return f"{how_many} {what} {have} changed since the preview and will be skipped. {_CURES[job.status]}"
