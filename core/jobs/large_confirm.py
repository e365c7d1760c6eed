"""Which CONFIRM needs verification: that of a reversal, and of a job that writes off much."""

from sqlalchemy.orm import Session

from core.enums.jobs import JobKind
from core.models.jobs import SettleJob
from core.models.practices import Practice


def needs_verification(session: Session, job: SettleJob) -> bool:
    """Return whether the previewed job is a reversal, or writes off more than the practice's limit for this."""
    if job.kind is JobKind.REVERSE:
        return True
    totals = job.preview or {}
    cents: int = totals.get("insurance_cents", 0) + totals.get("patient_cents", 0)
    return cents > session.get_one(Practice, job.practice_id).large_confirm_cents
