"""Invariants for the sums of reports: they match the postings, and what each job's certificate shows."""

from typing import Final

from core.books.check import Invariant, of_practice
from core.books.invariants_screen import CLAIMS, screened

_CENTS: Final = """
    -coalesce(sum({cents}) FILTER (WHERE p.responsibility = 'insurance'), 0) AS insurance_cents,
    -coalesce(sum({cents}) FILTER (WHERE p.responsibility = 'patient'), 0) AS patient_cents"""
_SUMS: Final = """ledger_sum s, unnest(s.payer_ids, s.provider_ids, s.insurance_cents, s.patient_cents)
    u (payer_id, provider_id, insurance_cents, patient_cents)"""
_SUBJECT: Final = (
    "'practice ' || d.practice_id || ', month ' || to_char(d.month::timestamp, 'YYYY-MM') || ', ' || d.kind "
    "|| coalesce(' of job ' || d.job_id, '')"
)
_DIFFERS: Final = "HAVING sum(insurance_cents) <> 0 OR sum(patient_cents) <> 0"

# The postings, as negative sums, so that they and the report's sums cancel each other out. Summed by day first.
_POSTED: Final = f"""
    SELECT q.practice_id, date_trunc('month', q.posted_on::timestamp)::date AS month, q.kind, q.job_id,
           q.payer_id, q.provider_id, q.insurance_cents, q.patient_cents
    FROM (
        SELECT p.practice_id, p.posted_on, CASE p.kind WHEN 'charge' THEN 'charge' WHEN 'write_off' THEN 'write_off'
                 ELSE 'reversal' END AS kind,
               CASE p.kind WHEN 'write_off' THEN p.job_id WHEN 'reversal' THEN j.reverses_job_id END AS job_id,
               c.primary_payer_id AS payer_id, c.billing_provider_id AS provider_id,
               {_CENTS.format(cents="abs(p.amount_cents)")}
        FROM posting p
        JOIN claim c ON c.practice_id = p.practice_id AND c.id = p.claim_id
        LEFT JOIN settle_job j ON j.practice_id = p.practice_id AND j.id = p.job_id
        WHERE {of_practice("p")} AND p.caused_by_id IS NULL
          AND (p.kind IN ('charge', 'write_off') OR (p.kind = 'reversal' AND p.job_id IS NOT NULL))
        GROUP BY 1, 2, 3, 4, 5, 6
        UNION ALL
        SELECT p.practice_id, p.posted_on, CASE WHEN 'payment' IN (cause.kind, voided.kind) THEN 'recovery'
                 ELSE 'replacement' END AS kind,
               p.origin_job_id, c.primary_payer_id, c.billing_provider_id, {_CENTS.format(cents="p.amount_cents")}
        FROM posting p
        JOIN claim c ON c.practice_id = p.practice_id AND c.id = p.claim_id
        JOIN posting cause ON cause.practice_id = p.practice_id AND cause.id = p.caused_by_id
          AND cause.claim_id = p.claim_id
        LEFT JOIN posting voided ON voided.practice_id = cause.practice_id AND voided.id = cause.reverses_id
          AND voided.claim_id = cause.claim_id
        WHERE {of_practice("p")} AND p.caused_by_id IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5, 6
    ) q"""

# What the certificates show, from the chunks' counters.
_CERTIFIED: Final = f"""
    SELECT k.practice_id, date_trunc('month', j.posting_date::timestamp)::date AS month,
           CASE j.kind WHEN 'reverse' THEN 'reversal' ELSE 'write_off' END AS kind,
           coalesce(j.reverses_job_id, j.id) AS job_id, -k.insurance_cents, -k.patient_cents
    FROM job_chunk k JOIN settle_job j ON j.practice_id = k.practice_id AND j.id = k.job_id
    WHERE {of_practice("k")}"""

SUM_INVARIANTS: Final[dict[str, Invariant]] = {
    "aging_equals_ledger": Invariant(
        "the net A/R of the A/R aging, for each responsibility and all payers, equals the sum of the postings",
        f"""SELECT 'practice ' || practice_id || ', ' || responsibility FROM (
                SELECT c.practice_id, 'insurance' AS responsibility, sum(c.insurance_due) AS cents
                FROM claim c WHERE {screened("c.id")} GROUP BY 1
                UNION ALL
                SELECT c.practice_id, 'patient', sum(c.patient_due) FROM claim c WHERE {screened("c.id")} GROUP BY 1
                UNION ALL
                SELECT p.practice_id, p.responsibility, -sum(p.amount_cents)
                FROM posting p WHERE {screened("p.claim_id")} GROUP BY 1, 2
            ) sides GROUP BY practice_id, responsibility HAVING sum(cents) <> 0""",
        CLAIMS,  # the balances of all other claims equal their postings
    ),
    "report_sums_equal_postings": Invariant(
        "the sums of the write-offs report equal the postings, for each month, job, payer and provider: charges, "
        "write-offs, reversals, and what later postings recovered or replaced",
        f"""SELECT {_SUBJECT} FROM (
                SELECT practice_id, month, kind, job_id, payer_id, provider_id FROM (
                    SELECT s.practice_id, s.month, s.kind, s.job_id, u.* FROM {_SUMS} WHERE {of_practice("s")}
                    UNION ALL {_POSTED}
                ) entries GROUP BY 1, 2, 3, 4, 5, 6 {_DIFFERS}
            ) d""",
    ),
    "report_sums_equal_certificates": Invariant(
        "what the write-offs report shows for a job equals what the certificates of the job and of its reversals show",
        f"""SELECT {_SUBJECT} FROM (
                SELECT practice_id, month, kind, job_id FROM (
                    SELECT s.practice_id, s.month, s.kind, s.job_id, u.insurance_cents, u.patient_cents
                    FROM {_SUMS} WHERE {of_practice("s")} AND s.kind IN ('write_off', 'reversal')
                    UNION ALL {_CERTIFIED}
                ) entries GROUP BY 1, 2, 3, 4 {_DIFFERS}
            ) d""",
    ),
}
