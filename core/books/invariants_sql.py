"""The invariants, each a query for the rows that break it. They share no code with what they check."""

from typing import Final

from core.books.check import Invariant, of_practice
from core.books.invariants_acts import ACT_INVARIANTS
from core.books.invariants_approval import APPROVAL_INVARIANTS
from core.books.invariants_audit import AUDIT_INVARIANTS
from core.books.invariants_balances import BALANCE_INVARIANTS
from core.books.invariants_digests import DIGEST_INVARIANTS
from core.books.invariants_guards import GUARD_INVARIANTS
from core.books.invariants_late import LATE_INVARIANTS
from core.books.invariants_manual import MANUAL_INVARIANTS
from core.books.invariants_remittances import REMITTANCE_INVARIANTS
from core.books.invariants_sign_on import SIGN_ON_INVARIANTS
from core.books.invariants_sums import SUM_INVARIANTS

_CLAIM: Final = "'practice ' || c.practice_id || ', claim ' || c.external_id"
_JOB: Final = "'practice ' || j.practice_id || ', job ' || j.id"
_ITEM: Final = "'practice ' || i.practice_id || ', job ' || i.job_id || ', position ' || i.position"
_POSTING: Final = "'practice ' || p.practice_id || ', posting ' || p.id"

# Items of jobs that expired, were discarded or rejected, or only reported are deleted after a while.
_HAS_ITEMS: Final = "j.status NOT IN ('expired', 'discarded', 'rejected', 'reported')"

INVARIANTS: Final[dict[str, Invariant]] = {
    **BALANCE_INVARIANTS,
    "claims_equal_ledger": Invariant(
        "a claim's adjustments, payments and last payment date follow from its postings that were not voided",
        f"""SELECT {_CLAIM}
            FROM claim c LEFT JOIN (
                SELECT p.practice_id, p.claim_id,
                       -coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'adjustment'), 0) AS adjustment,
                       -coalesce(sum(p.amount_cents) FILTER (WHERE p.paid_by = 'primary'), 0) AS primary_paid,
                       -coalesce(sum(p.amount_cents) FILTER (WHERE p.paid_by = 'secondary'), 0) AS secondary_paid,
                       -coalesce(sum(p.amount_cents) FILTER (WHERE p.paid_by = 'patient'), 0) AS patient_paid,
                       max(p.posted_on) FILTER (WHERE p.kind = 'payment' AND p.amount_cents < 0) AS last_payment_on
                FROM posting p LEFT JOIN posting r
                  ON r.practice_id = p.practice_id AND r.reverses_id = p.id AND r.kind = 'reversal'
                WHERE {of_practice("p")} AND p.kind IN ('payment', 'adjustment') AND r.id IS NULL GROUP BY 1, 2
            ) s ON s.practice_id = c.practice_id AND s.claim_id = c.id
            WHERE {of_practice("c")} AND ((c.adjustment, c.primary_paid, c.secondary_paid, c.patient_paid) <>
              (coalesce(s.adjustment, 0), coalesce(s.primary_paid, 0), coalesce(s.secondary_paid, 0),
               coalesce(s.patient_paid, 0)) OR c.last_payment_on IS DISTINCT FROM s.last_payment_on)""",
    ),
    "settled_claims_have_nothing_due": Invariant(
        "a claim that has not changed since a job settled it has the job's billing status, and a zero balance for each "
        "responsibility that the job settled",
        f"""SELECT {_CLAIM}
            FROM job_item i
            JOIN settle_job j ON j.practice_id = i.practice_id AND j.id = i.job_id AND j.kind = 'settle'
            JOIN claim c ON c.practice_id = i.practice_id AND c.id = i.claim_id AND c.version = i.version_after
            WHERE {of_practice("i")} AND i.outcome = 'settled'
              AND ((i.settles_insurance AND c.insurance_due <> 0) OR (i.settles_patient AND c.patient_due <> 0)
                   OR c.billing_status <> j.target_status)""",
    ),
    "job_postings_belong_to_settled_items": Invariant(
        "every posting of a job belongs to a settled item of that job, for a responsibility that the item settles",
        f"""SELECT {_POSTING}
            FROM posting p LEFT JOIN job_item i
              ON i.practice_id = p.practice_id AND i.claim_id = p.claim_id AND i.job_id = p.job_id
             AND i.outcome = 'settled' AND (p.kind = 'reversal' OR i.claim_version = p.claim_version)
             AND CASE p.responsibility WHEN 'insurance' THEN i.settles_insurance ELSE i.settles_patient END
            WHERE {of_practice("p")} AND p.job_id IS NOT NULL AND i.position IS NULL""",
    ),
    "settled_items_equal_postings": Invariant(
        "the amount that a settled item wrote off (or restored) is the sum of its job's postings on the claim",
        f"""SELECT {_ITEM}
            FROM job_item i LEFT JOIN (
                SELECT practice_id, job_id, claim_id,
                     coalesce(sum(abs(amount_cents)) FILTER (WHERE responsibility = 'insurance'), 0) AS insurance_cents,
                     coalesce(sum(abs(amount_cents)) FILTER (WHERE responsibility = 'patient'), 0) AS patient_cents
                FROM posting p WHERE {of_practice("p")} AND p.job_id IS NOT NULL GROUP BY 1, 2, 3
            ) s ON s.practice_id = i.practice_id AND s.job_id = i.job_id AND s.claim_id = i.claim_id
            WHERE {of_practice("i")} AND i.outcome = 'settled' AND (i.insurance_cents, i.patient_cents) <>
              (coalesce(s.insurance_cents, 0), coalesce(s.patient_cents, 0))""",
    ),
    "chunks_equal_items": Invariant(
        "a chunk's counters match its items",
        f"""SELECT 'practice ' || k.practice_id || ', job ' || k.job_id || ', chunk from ' || k.first_position
            FROM job_chunk k LEFT JOIN LATERAL (
                SELECT count(*) FILTER (WHERE outcome = 'settled') AS settled,
                       count(*) FILTER (WHERE outcome = 'skipped') AS skipped,
                       count(*) FILTER (WHERE outcome = 'failed') AS failed,
                       count(*) FILTER (WHERE outcome IS NULL) AS undone,
                       coalesce(sum(insurance_cents) FILTER (WHERE outcome = 'settled'), 0) AS insurance_cents,
                       coalesce(sum(patient_cents) FILTER (WHERE outcome = 'settled'), 0) AS patient_cents
                FROM job_item i WHERE i.practice_id = k.practice_id AND i.job_id = k.job_id
                  AND i.position BETWEEN k.first_position AND k.last_position
            ) s ON true
            JOIN settle_job j ON j.practice_id = k.practice_id AND j.id = k.job_id
            WHERE {of_practice("k")} AND {_HAS_ITEMS} AND (
              (k.settled, k.skipped, k.failed, k.insurance_cents, k.patient_cents) <>
              (s.settled, s.skipped, s.failed, s.insurance_cents, s.patient_cents)
              OR (k.state = 'done') <> (s.undone = 0))""",
    ),
    "chunks_cover_the_job": Invariant(
        "chunks cover a job's items without gap or overlap: settled + skipped + failed + remaining = total",
        f"""SELECT {_JOB}
            FROM settle_job j LEFT JOIN LATERAL (
                SELECT sum(k.last_position - k.first_position + 1) AS covered, max(k.last_position) AS last,
                       min(k.first_position) AS first, sum(k.settled + k.skipped + k.failed) AS done
                FROM job_chunk k WHERE k.practice_id = j.practice_id AND k.job_id = j.id
            ) s ON true
            LEFT JOIN LATERAL (
                SELECT count(*) AS items FROM job_item i WHERE i.practice_id = j.practice_id AND i.job_id = j.id
            ) t ON true
            WHERE {of_practice("j")} AND j.claims_total > 0 AND {_HAS_ITEMS} AND (
              (coalesce(s.covered, 0), coalesce(s.first, 0), coalesce(s.last, 0), t.items) <>
              (j.claims_total, 1, j.claims_total, j.claims_total) OR s.done > j.claims_total)""",
    ),
    "completed_jobs_have_nothing_open": Invariant(
        "a completed job has an outcome for every claim",
        f"""SELECT {_JOB} FROM settle_job j
            WHERE {of_practice("j")} AND j.status = 'completed' AND EXISTS (
              SELECT FROM job_chunk k WHERE k.practice_id = j.practice_id AND k.job_id = j.id AND k.state = 'open')""",
    ),
    "items_are_claims": Invariant(
        "every item of a job is a claim in the job's own practice",
        f"""SELECT {_ITEM}
            FROM job_item i LEFT JOIN claim c ON c.practice_id = i.practice_id AND c.id = i.claim_id
            LEFT JOIN settle_job j ON j.practice_id = i.practice_id AND j.id = i.job_id
            WHERE {of_practice("i")} AND (c.id IS NULL OR j.id IS NULL)""",
    ),
    "no_charge_beside_an_837": Invariant(
        "a claim charged by an 837 file has no charge from other files",
        f"""SELECT {_POSTING} FROM posting p
            WHERE {of_practice("p")} AND p.kind = 'charge' AND p.source IS DISTINCT FROM 'x12' AND EXISTS (
                SELECT FROM posting x WHERE x.practice_id = p.practice_id AND x.claim_id = p.claim_id
                   AND x.kind = 'charge' AND x.source = 'x12')""",
    ),
    "no_empty_posting": Invariant(
        "no posting is for zero cents",
        f"SELECT {_POSTING} FROM posting p WHERE {of_practice('p')} AND p.amount_cents = 0",
    ),
    "reversals_answer_one_posting": Invariant(
        "a reversal is equal and opposite to its one original, and no posting is reversed twice",
        f"""SELECT {_POSTING}
            FROM posting p LEFT JOIN posting o
              ON o.practice_id = p.practice_id AND o.claim_id = p.claim_id AND o.line = p.line AND o.id = p.reverses_id
            WHERE {of_practice("p")} AND p.kind = 'reversal'
              AND (o.id IS NULL OR o.amount_cents <> -p.amount_cents OR o.responsibility <> p.responsibility)
            UNION ALL
            SELECT {_POSTING} FROM posting p JOIN (
                SELECT practice_id, reverses_id FROM posting r WHERE {of_practice("r")} AND reverses_id IS NOT NULL
                GROUP BY 1, 2 HAVING count(*) > 1
            ) r ON r.practice_id = p.practice_id AND r.reverses_id = p.id WHERE {of_practice("p")}""",
    ),
    "money_moves_by_confirmed_jobs": Invariant(
        "only confirmed jobs post, and jobs that change only statuses never do",
        f"""SELECT {_JOB} FROM settle_job j
            WHERE {of_practice("j")} AND (j.kind = 'status' OR j.confirmed_at IS NULL) AND EXISTS (
              SELECT FROM job_chunk k WHERE k.practice_id = j.practice_id AND k.job_id = j.id
                 AND (k.insurance_cents <> 0 OR k.patient_cents <> 0))""",
    ),
    **APPROVAL_INVARIANTS,
    "jobs_reconcile": Invariant(
        "the A/R of a job's settled claims before the job, less what was written off (plus what was restored), equals "
        "their A/R after it",
        f"""SELECT {_JOB} FROM settle_job j JOIN (
                SELECT k.practice_id, k.job_id,
                       sum(k.insurance_before_cents - k.insurance_after_cents) AS insurance_cents,
                       sum(k.patient_before_cents - k.patient_after_cents) AS patient_cents,
                       sum(k.insurance_cents) AS insurance_moved, sum(k.patient_cents) AS patient_moved
                FROM job_chunk k WHERE {of_practice("k")} GROUP BY 1, 2
            ) s ON s.practice_id = j.practice_id AND s.job_id = j.id
            WHERE CASE j.kind WHEN 'reverse' THEN (-s.insurance_cents, -s.patient_cents)
                              ELSE (s.insurance_cents, s.patient_cents) END <> (s.insurance_moved, s.patient_moved)""",
    ),
    **ACT_INVARIANTS,
    **AUDIT_INVARIANTS,
    **DIGEST_INVARIANTS,
    **GUARD_INVARIANTS,
    **LATE_INVARIANTS,
    **MANUAL_INVARIANTS,
    **REMITTANCE_INVARIANTS,
    **SIGN_ON_INVARIANTS,
    **SUM_INVARIANTS,
}
