"""How many claims of a preview that waits changed since: the run will skip them."""

from typing import Final

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from core.claims.models import Claim
from core.counting import counted
from core.jobs.keys import JobKey
from core.jobs.models import JobItem, JobStatus, SettleJob, Verdict

WAITING: Final = (JobStatus.PREVIEWED, JobStatus.AWAITING_APPROVAL)


def is_changed() -> ColumnElement[bool]:
    """The condition on an item and its claim: the claim changed since the preview."""
    return Claim.version != JobItem.claim_version


def count(session: Session, job: SettleJob) -> int | None:
    """Count the claims to settle that changed since the preview; None where the job does not wait for a decision."""
    if job.status not in WAITING:
        return None
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    to_settle = (*JobKey(job.practice_id, job.id).of(JobItem), JobItem.verdict == Verdict.SETTLE)
    changed = select(func.count()).select_from(JobItem).join(Claim, of_item).where(*to_settle, is_changed())
    return session.scalars(changed).one()


def words(job: SettleJob, changed: int | None) -> str:
    """Say how many changed, and what to do; nothing where none did."""
    if not changed or job.preview is None:
        return ""
    of_all = counted(job.preview["will_settle"], "claim")
    if changed == job.preview["will_settle"]:
        return f"All of its {of_all} changed since this preview and will be skipped. Preview again."
    return f"{changed:,} of its {of_all} changed since this preview and will be skipped. Preview again to include them."
