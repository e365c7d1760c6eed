"""Digests of what a preview froze. The acts that let a job run record them, so that the audit log's chain covers it."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.jobs.keys import JobKey

# In blocks of 10,000 items, because a text has at most 1 GB.
_ITEMS: Final = text("""
    SELECT encode(sha256(convert_to(string_agg(b.sha256, '' ORDER BY b.block), 'UTF8')), 'hex') FROM (
        SELECT (i.position - 1) / 10000 AS block,
               encode(sha256(convert_to(string_agg(concat_ws('|', i.position, i.claim_id, i.claim_version,
                   i.billing_status_before, i.settles_insurance, i.settles_patient, i.insurance_cents, i.patient_cents,
                   i.verdict, coalesce(i.verdict_code, '')), E'\\n' ORDER BY i.position), 'UTF8')), 'hex') AS sha256
        FROM job_item i WHERE i.practice_id = :of_practice AND i.job_id = :of_job GROUP BY 1
    ) b""")
JOB_TEXT: Final = """jsonb_build_array(j.kind, j.target_status, j.selection, j.reason, j.practice_reason,
    j.note, j.overridden_rules, j.setting, j.provider_settings, j.rule_values, j.as_of - date '1970-01-01',
    j.posting_date - date '1970-01-01', j.requested_by, extract(epoch FROM j.requested_at), j.confirmed_by,
    j.claims_total, j.preview, j.reverses_job_id, j.schedule_id, j.schedule_created_by,
    j.run_date - date '1970-01-01', j.limits, j.limits_exceeded, j.cost_share_reason, j.items_sha256)::text"""
_JOB: Final = text(f"""
    SELECT encode(sha256(convert_to({JOB_TEXT}, 'UTF8')), 'hex')
    FROM settle_job j WHERE j.practice_id = :of_practice AND j.id = :of_job""")  # noqa: S608 – constants


def items_sha256(session: Session, key: JobKey) -> str | None:
    """Return the SHA-256 of the job's frozen items, or None if it has none."""
    found: str | None = session.scalar(_ITEMS, key.named())
    return found


def facts(session: Session, key: JobKey) -> dict[str, Any]:
    """Return, for the audit, the SHA-256 of all that is frozen in the job, with its items and limits."""
    return {"frozen_sha256": session.scalars(_JOB, key.named()).one()}
