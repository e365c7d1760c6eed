"""Baseline: everything in one transaction of handwritten SQL, as a PostgreSQL expert would write it.

It starts from the same frozen items and ends with the same rows: the same locks, rules and ledger check, and the same
postings, caches, outcomes, counters and status. It needs no reconciliation, because one transaction is never half done.
"""

from typing import Final

import psycopg

from core.jobs.keys import JobKey

_LOCK: Final = """
CREATE TEMPORARY TABLE locked ON COMMIT DROP AS
SELECT c.id
  FROM job_item i JOIN claim c ON c.practice_id = i.practice_id AND c.id = i.claim_id
 WHERE i.practice_id = %(practice)s AND i.job_id = %(job)s AND i.verdict = 'settle'
 ORDER BY c.id
   FOR NO KEY UPDATE OF c
"""

_SKIP: Final = """
UPDATE job_item SET outcome = 'skipped', code = verdict_code
 WHERE practice_id = %(practice)s AND job_id = %(job)s AND verdict = 'skip'
"""

# The rules of the run: changed since the preview, or a balance that differs from the ledger.
_JUDGE: Final = """
WITH ledger AS (
    SELECT claim_id, line,
           coalesce(sum(amount_cents) FILTER (WHERE responsibility = 'insurance'), 0) AS insurance_due,
           coalesce(sum(amount_cents) FILTER (WHERE responsibility = 'patient'), 0) AS patient_due
      FROM posting
     WHERE practice_id = %(practice)s AND claim_id IN (SELECT id FROM locked)
     GROUP BY claim_id, line
), books AS (
    SELECT l.claim_id, sum(l.insurance_due) AS insurance_due, sum(l.patient_due) AS patient_due,
           bool_or(l.insurance_due <> coalesce(g.insurance_due, 0) OR l.patient_due <> coalesce(g.patient_due, 0))
               AS line_differs
      FROM line_item l LEFT JOIN ledger g ON g.claim_id = l.claim_id AND g.line = l.number
     WHERE l.practice_id = %(practice)s AND l.claim_id IN (SELECT id FROM locked)
     GROUP BY l.claim_id
), judged AS (
    SELECT c.id, c.version,
           CASE WHEN c.version <> i.claim_version THEN 'changed_since_preview'
                WHEN coalesce(b.line_differs, false) OR c.insurance_due <> coalesce(b.insurance_due, 0)
                     OR c.patient_due <> coalesce(b.patient_due, 0) THEN 'balance_mismatch' END AS code
      FROM job_item i
      JOIN locked k ON k.id = i.claim_id
      JOIN claim c ON c.practice_id = i.practice_id AND c.id = i.claim_id
      LEFT JOIN books b ON b.claim_id = c.id
     WHERE i.practice_id = %(practice)s AND i.job_id = %(job)s
)
UPDATE job_item i
   SET outcome = CASE WHEN j.code IS NULL THEN 'settled' ELSE 'skipped' END,
       code = coalesce(j.code, i.verdict_code),
       version_after = CASE WHEN j.code IS NULL THEN j.version + 1 END
  FROM judged j
 WHERE i.practice_id = %(practice)s AND i.job_id = %(job)s AND i.claim_id = j.id
"""

_POST: Final = """
INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, write_off_reason, posted_on,
                     created_at, user_id, job_id, claim_version)
SELECT i.practice_id, i.claim_id, l.number, side.responsibility, 'write_off', -side.due, j.reason, j.posting_date,
       now(), j.confirmed_by, j.id, i.claim_version
  FROM job_item i
  JOIN settle_job j ON j.practice_id = i.practice_id AND j.id = i.job_id
  JOIN line_item l ON l.practice_id = i.practice_id AND l.claim_id = i.claim_id
  JOIN LATERAL (VALUES ('insurance', i.settles_insurance, l.insurance_due),
                       ('patient', i.settles_patient, l.patient_due))
               AS side (responsibility, chosen, due) ON side.chosen AND side.due > 0
 WHERE i.practice_id = %(practice)s AND i.job_id = %(job)s AND i.outcome = 'settled'
"""

_LINES: Final = """
UPDATE line_item l
   SET insurance_due = CASE WHEN i.settles_insurance THEN 0 ELSE l.insurance_due END,
       patient_due = CASE WHEN i.settles_patient THEN 0 ELSE l.patient_due END
  FROM job_item i
 WHERE i.practice_id = %(practice)s AND i.job_id = %(job)s AND i.outcome = 'settled'
   AND l.practice_id = i.practice_id AND l.claim_id = i.claim_id
   AND (i.settles_insurance AND l.insurance_due <> 0 OR i.settles_patient AND l.patient_due <> 0)
"""

_CLAIMS: Final = """
UPDATE claim c
   SET billing_status = j.target_status, version = c.version + 1,
       insurance_due = c.insurance_due - i.insurance_cents, patient_due = c.patient_due - i.patient_cents
  FROM job_item i JOIN settle_job j ON j.practice_id = i.practice_id AND j.id = i.job_id
 WHERE i.practice_id = %(practice)s AND i.job_id = %(job)s AND i.outcome = 'settled'
   AND c.practice_id = i.practice_id AND c.id = i.claim_id
"""

_CHUNKS: Final = """
UPDATE job_chunk h
   SET state = 'done', done_at = now(), settled = s.settled, skipped = s.skipped,
       insurance_cents = s.insurance, patient_cents = s.patient
  FROM (SELECT h.first_position,
               count(*) FILTER (WHERE i.outcome = 'settled') AS settled,
               count(*) FILTER (WHERE i.outcome = 'skipped') AS skipped,
               coalesce(sum(i.insurance_cents) FILTER (WHERE i.outcome = 'settled'), 0) AS insurance,
               coalesce(sum(i.patient_cents) FILTER (WHERE i.outcome = 'settled'), 0) AS patient
          FROM job_chunk h
          JOIN job_item i ON i.practice_id = h.practice_id AND i.job_id = h.job_id
                         AND i.position BETWEEN h.first_position AND h.last_position
         WHERE h.practice_id = %(practice)s AND h.job_id = %(job)s
         GROUP BY h.first_position) s
 WHERE h.practice_id = %(practice)s AND h.job_id = %(job)s AND h.first_position = s.first_position
"""

_JOB: Final = """
UPDATE settle_job SET status = 'completed', started_at = now(), finished_at = clock_timestamp()
 WHERE practice_id = %(practice)s AND id = %(job)s
"""

# An expert would add this, because PostgreSQL has no statistics on rows that were just written.
_ANALYZE: Final = "ANALYZE job_item"

STATEMENTS: Final = (_LOCK, "ANALYZE locked", _SKIP, _JUDGE, _POST, _LINES, _CLAIMS, _CHUNKS, _JOB)


def settle(url: str, job: JobKey) -> None:
    """Settle the confirmed job in one transaction."""
    values = {"practice": job.practice_id, "job": job.job_id}
    with psycopg.connect(url) as connection:
        for statement in (_ANALYZE, *STATEMENTS):
            connection.execute(statement, values if "%(" in statement else None)
