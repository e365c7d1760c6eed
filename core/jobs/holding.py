"""Which claims an open job holds: those that it is to settle and has not come to. Feed, preview and warning agree."""

from typing import Any

from sqlalchemy import ColumnElement, and_

from core.jobs.lifecycle import OPEN_STATUSES
from core.jobs.models import JobItem, SettleJob, Verdict


def still_to_settle(item: Any = JobItem) -> ColumnElement[bool]:
    """Whether the item's claim is still to be settled; what was skipped at the preview never is."""
    return and_(item.verdict == Verdict.SETTLE, item.outcome.is_(None))


def is_open() -> ColumnElement[bool]:
    """Whether the job was confirmed, or waits for another person, and has not ended."""
    return SettleJob.status.in_(OPEN_STATUSES)
