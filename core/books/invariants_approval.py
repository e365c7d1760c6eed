"""Invariants for approvals: no job over a limit ran without a second person, except by choice."""

from typing import Final

from core.books.check import Invariant, of_practice

_JOB: Final = "'practice ' || j.practice_id || ', job ' || j.id"

# The user who chose it confirmed the job, 24 hours after the choice and before its end. The entries are compared by id,
# because an act that waits for a lock is older than its entry.
_BY_CHOICE: Final = """(j.schedule_id IS NULL AND j.confirmed_by = j.without_approval_chosen_by AND EXISTS (
                SELECT FROM audit_entry s JOIN audit_entry c ON c.practice_id = s.practice_id AND c.id > s.id
                WHERE s.practice_id = j.practice_id AND s.subject = 'practice:' || j.practice_id
                  AND s.act = 'one_person.chosen' AND s.user_id = j.without_approval_chosen_by
                  AND s.at = j.without_approval_chosen_at AND s.at <= j.confirmed_at - interval '24 hours'
                  AND c.subject = 'job:' || j.id AND c.act = 'job.confirmed'
                  AND NOT EXISTS (SELECT FROM audit_entry e
                    WHERE e.practice_id = s.practice_id AND e.subject = s.subject AND e.id > s.id AND e.id < c.id
                      AND e.act IN ('one_person.ended', 'one_person.lapsed'))))"""
_WITHOUT_SECOND_PERSON: Final = f"""(j.decided_by IS NULL OR j.decided_by IN (j.requested_by, j.confirmed_by))
              AND NOT coalesce({_BY_CHOICE}, false)"""

APPROVAL_INVARIANTS: Final[dict[str, Invariant]] = {
    "jobs_over_a_limit_were_approved": Invariant(
        "a job that writes off more than a limit frozen into it, per claim or in total, was approved by another "
        "user, or ran without approval by the choice that one person works in the practice",
        f"""SELECT {_JOB} FROM settle_job j
            WHERE {of_practice("j")} AND j.kind = 'settle' AND j.confirmed_at IS NOT NULL
              AND {_WITHOUT_SECOND_PERSON}
              AND (j.limits_exceeded <> '[]'
                OR (j.preview->>'insurance_cents')::bigint + (j.preview->>'patient_cents')::bigint
                   > least((j.limits->>'practice_job_cents')::bigint, (j.limits->>'user_job_cents')::bigint)
                OR EXISTS (SELECT FROM job_item i
                   WHERE i.practice_id = j.practice_id AND i.job_id = j.id AND i.verdict = 'settle'
                     AND i.insurance_cents + i.patient_cents
                       > least((j.limits->>'practice_claim_cents')::bigint, (j.limits->>'user_claim_cents')::bigint))
              )""",
    ),
    "jobs_of_one_day_were_added_up": Invariant(
        "a job that, together with the same user's earlier jobs on that day or in the 24 hours before, writes off more "
        "than the limit per job was approved by another user or ran without approval by choice",
        f"""SELECT {_JOB} FROM (
                SELECT j.*, CASE WHEN j.schedule_id IS NULL THEN j.confirmed_by ELSE j.requested_by END AS answers,
                       (j.preview->>'insurance_cents')::bigint + (j.preview->>'patient_cents')::bigint AS cents,
                       least((j.limits->>'practice_job_cents')::bigint, (j.limits->>'user_job_cents')::bigint) AS most
                FROM settle_job j WHERE {of_practice("j")} AND j.kind = 'settle' AND j.confirmed_at IS NOT NULL
            ) j JOIN LATERAL (
                SELECT sum(CASE o.status WHEN 'cancelled' THEN (
                         SELECT coalesce(sum(k.insurance_cents + k.patient_cents), 0) FROM job_chunk k
                         WHERE k.practice_id = o.practice_id AND k.job_id = o.id)
                       ELSE (o.preview->>'insurance_cents')::bigint + (o.preview->>'patient_cents')::bigint
                       END) AS cents
                FROM settle_job o
                WHERE o.practice_id = j.practice_id AND o.kind = 'settle'
                  AND o.approval_requested_at IS NULL AND o.confirmed_at < j.confirmed_at
                  -- Jobs of earlier versions have no sum_hours. They were added up by calendar day.
                  AND CASE WHEN j.limits ? 'sum_hours'
                        THEN o.confirmed_at > j.confirmed_at - (j.limits->>'sum_hours')::int * interval '1 hour'
                          AND (o.schedule_id IS DISTINCT FROM coalesce(j.schedule_id, 0)
                            OR o.run_date IS NOT DISTINCT FROM j.run_date)
                        ELSE o.as_of = j.as_of AND (o.run_date IS NULL) = (j.run_date IS NULL) END
                  AND CASE WHEN o.schedule_id IS NULL THEN o.confirmed_by ELSE o.requested_by END = j.answers
            ) others ON true
            WHERE j.cents > 0 AND j.cents + others.cents > j.most
              AND {_WITHOUT_SECOND_PERSON}""",
    ),
}
