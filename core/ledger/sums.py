"""Combine the sums that the chunks of a job added for the write-offs report."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import calendar_months
from core.enums.jobs import JobKind
from core.enums.ledger_sums import SumKind
from core.models.jobs import SettleJob

_COMBINE: Final = text("""
    WITH parts AS (
        DELETE FROM ledger_sum
        WHERE practice_id = :practice_id AND month = :month AND kind = :kind AND job_id = :job_id
        RETURNING payer_ids, provider_ids, insurance_cents, patient_cents
    ), sums AS (
        SELECT u.payer_id, u.provider_id, sum_cents(u.insurance_cents) AS insurance_cents,
               sum_cents(u.patient_cents) AS patient_cents
        FROM parts p, unnest(p.payer_ids, p.provider_ids, p.insurance_cents, p.patient_cents)
             u (payer_id, provider_id, insurance_cents, patient_cents)
        GROUP BY 1, 2
    )
    INSERT INTO ledger_sum
        (practice_id, month, kind, job_id, payer_ids, provider_ids, insurance_cents, patient_cents)
    SELECT :practice_id, :month, :kind, :job_id, array_agg(s.payer_id), array_agg(s.provider_id),
           array_agg(s.insurance_cents), array_agg(s.patient_cents)
    FROM sums s HAVING count(*) > 0""")


def combine(session: Session, job: SettleJob) -> None:
    """Replace the rows of the job's chunks by one row with the same sums, so that the report has few rows to add up."""
    kind = SumKind.REVERSAL if job.kind is JobKind.REVERSE else SumKind.WRITE_OFF
    named = {
        "practice_id": job.practice_id, "month": calendar_months.month_of(job.posting_date), "kind": kind.value,
        "job_id": job.reverses_job_id or job.id,
    }  # fmt: skip
    session.execute(_COMBINE, named)
