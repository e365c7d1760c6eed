"""The failure budget: a job with too many failed claims halts until a user resumes or cancels it.

It is checked after every chunk except the last, because by then nothing is left to halt and the job completes.
"""

from sqlalchemy import and_, func, select, true
from sqlalchemy.orm import Session

from core.enums.job_items import Outcome
from core.jobs import codes
from core.jobs.keys import JobKey
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import SettleJob
from core.models.practices import Practice


def exceeded(session: Session, key: JobKey) -> str | None:
    """Return the code of the reason to halt the job, or None. Count since the last resume after a halt."""
    done, failed = _done_and_failed(session, key)
    job, practice = session.get_one(SettleJob, key), session.get_one(Practice, key.practice_id)
    done, failed = done - job.budget_baseline_done, failed - job.budget_baseline_failed
    if done >= practice.failure_claims_min and failed * 100 > done * practice.failure_percent_max:
        return codes.TOO_MANY_FAILED
    if failed >= practice.failures_alike_max and _last_failures_share_code(session, key, practice.failures_alike_max):
        return codes.FAILURES_ALIKE
    return None


def reset_baseline(session: Session, key: JobKey) -> dict[str, int]:
    """Return the column values that restart the job's failure budget."""
    done, failed = _done_and_failed(session, key)
    return {"budget_baseline_done": done, "budget_baseline_failed": failed}


def _done_and_failed(session: Session, key: JobKey) -> tuple[int, int]:
    outcomes = JobChunk.settled + JobChunk.skipped + JobChunk.failed
    sums = select(func.coalesce(func.sum(outcomes), 0), func.coalesce(func.sum(JobChunk.failed), 0))
    done, failed = session.execute(sums.where(*key.of(JobChunk))).one()
    return int(done), int(failed)


def _last_failures_share_code(session: Session, key: JobKey, count: int) -> bool:
    """Return whether the last `count` failures have the same code. They are in the chunks that finished last."""
    ranges = (
        select(JobChunk.first_position, JobChunk.last_position, JobChunk.done_at)
        .where(*key.of(JobChunk), JobChunk.failed > 0)
        .order_by(JobChunk.done_at.desc())
        .limit(count)
        .subquery("ranges")
    )
    within = JobItem.position.between(ranges.c.first_position, ranges.c.last_position)
    item = select(JobItem.code, JobItem.position).where(
        and_(*key.of(JobItem), within, JobItem.outcome == Outcome.FAILED)
    )
    failures = item.lateral("failure")
    last = select(failures.c.code).select_from(ranges).join(failures, true())
    last = last.order_by(ranges.c.done_at.desc(), failures.c.position.desc()).limit(count)
    return len(set(session.scalars(last))) == 1
