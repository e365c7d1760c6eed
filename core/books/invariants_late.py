"""Invariants for late events: a payment after a write-off, and a posting after the close of a month."""

from typing import Final

from core.books.check import Invariant, of_practice
from core.books.month_sums import sums_by_month

_POSTING: Final = "'practice ' || p.practice_id || ', posting ' || p.id"
_MONTH: Final = "'practice ' || m.practice_id || ', month ' || to_char(m.month::timestamp, 'YYYY-MM')"
_OF_CLOSED: Final = f"""{of_practice("p")} AND (p.practice_id, date_trunc('month', p.posted_on::timestamp)::date) IN
    (SELECT practice_id, month FROM period WHERE state = 'closed')"""

LATE_INVARIANTS: Final[dict[str, Invariant]] = {
    "closed_months_are_as_they_were_closed": Invariant(
        "the postings of a closed month have not changed since its close: its totals and digest match the ledger",
        f"""SELECT {_MONTH} FROM period m LEFT JOIN ({sums_by_month(_OF_CLOSED)}) s
              ON s.practice_id = m.practice_id AND s.month = m.month
            WHERE {of_practice("m")} AND m.state = 'closed'
              AND (m.totals <> coalesce(s.totals, jsonb_build_object()) OR m.digest <> coalesce(s.digest, ''))""",
    ),
    "nothing_is_posted_into_a_closed_month": Invariant(
        "no posting dated in a closed month was made after the month was closed",
        f"""SELECT {_POSTING} FROM posting p JOIN period m
              ON m.practice_id = p.practice_id AND m.month = date_trunc('month', p.posted_on::timestamp)::date
            WHERE {of_practice("p")} AND m.state = 'closed' AND p.created_at > m.closed_at""",
    ),
    "late_payments_reverse_write_offs": Invariant(
        "a late payment, adjustment, transfer or void affects write-offs only on its own line and responsibility: if "
        "it lowers the balance, it reverses at most its amount; if it raises the balance, it restores at most its "
        "amount",
        f"""SELECT 'practice ' || q.practice_id || ', posting ' || q.caused_by_id FROM (
                SELECT p.practice_id, p.claim_id, p.line, p.responsibility, p.caused_by_id,
                       coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'reversal'), 0) AS reversed,
                       coalesce(-sum(p.amount_cents) FILTER (WHERE p.kind = 'write_off'), 0) AS posted_again,
                       bool_or(p.kind NOT IN ('reversal', 'write_off') OR p.job_id IS NOT NULL) AS odd
                FROM posting p WHERE {of_practice("p")} AND p.caused_by_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5
            ) q LEFT JOIN posting c ON c.practice_id = q.practice_id AND c.claim_id = q.claim_id AND c.line = q.line
              AND c.id = q.caused_by_id AND c.responsibility = q.responsibility
              AND (c.kind IN ('payment', 'adjustment', 'transfer')
                OR (c.kind = 'reversal' AND c.source IN ('entry', 'remittance')))
            WHERE c.id IS NULL OR q.odd OR CASE WHEN c.amount_cents < 0
              THEN q.posted_again >= q.reversed OR q.reversed - q.posted_again > -c.amount_cents
              ELSE q.reversed > 0 OR q.posted_again > c.amount_cents END""",
    ),
    "late_payments_reverse_just_enough": Invariant(
        "a late posting reverses just enough write-offs to bring the balance up to zero; it restores write-offs only "
        "up to the balance",
        f"""SELECT 'practice ' || q.practice_id || ', posting ' || q.caused_by_id FROM (
                SELECT p.practice_id, p.caused_by_id, max(p.id) AS last, bool_or(p.kind = 'write_off') AS again,
                       bool_or(p.kind = 'reversal') AS lowered
                FROM posting p WHERE {of_practice("p")} AND p.caused_by_id IS NOT NULL GROUP BY 1, 2
            ) q JOIN (
                SELECT p.practice_id, p.id, sum(p.amount_cents) OVER (
                         PARTITION BY p.practice_id, p.claim_id, p.line, p.responsibility ORDER BY p.id) AS due
                FROM posting p WHERE {of_practice("p")} AND (p.practice_id, p.claim_id) IN
                  (SELECT practice_id, claim_id FROM posting WHERE caused_by_id IS NOT NULL)
            ) d ON d.practice_id = q.practice_id AND d.id = q.last
            WHERE CASE WHEN NOT q.lowered THEN d.due < 0 WHEN q.again THEN d.due <> 0 ELSE d.due > 0 END""",
    ),
    "no_more_is_restored_than_was_reversed": Invariant(
        "late postings never restore more of a job's write-off on a line than late postings reversed",
        f"""SELECT 'practice ' || p.practice_id || ', claim ' || p.claim_id || ', line ' || p.line
            FROM posting p WHERE {of_practice("p")} AND p.caused_by_id IS NOT NULL
            GROUP BY p.practice_id, p.claim_id, p.line, p.responsibility, p.origin_job_id
            HAVING sum(p.amount_cents) < 0""",
    ),
    "what_came_late_names_its_job": Invariant(
        "each reversal that a late posting caused belongs to the same job as the write-off it reverses; each write-off "
        "that a late posting restored has the same job and reason as a write-off that was reversed earlier",
        f"""SELECT {_POSTING} FROM posting p LEFT JOIN posting o
              ON o.practice_id = p.practice_id AND o.claim_id = p.claim_id AND o.line = p.line AND o.id = p.reverses_id
            WHERE {of_practice("p")} AND p.kind = 'reversal' AND p.caused_by_id IS NOT NULL
              AND (o.kind <> 'write_off' OR p.origin_job_id IS DISTINCT FROM coalesce(o.job_id, o.origin_job_id))
            UNION ALL
            SELECT {_POSTING} FROM posting p LEFT JOIN posting c
              ON c.practice_id = p.practice_id AND c.claim_id = p.claim_id AND c.line = p.line AND c.id = p.caused_by_id
            WHERE {of_practice("p")} AND p.kind = 'write_off' AND p.caused_by_id IS NOT NULL AND NOT EXISTS (
              SELECT FROM posting r JOIN posting o ON o.practice_id = r.practice_id AND o.claim_id = r.claim_id
                 AND o.line = r.line AND o.id = r.reverses_id
              WHERE r.practice_id = p.practice_id AND r.claim_id = p.claim_id AND r.line = p.line
                 AND r.id < p.id AND (r.caused_by_id = p.caused_by_id OR c.amount_cents > 0)
                 AND r.caused_by_id IS NOT NULL AND r.responsibility = p.responsibility
                 AND r.origin_job_id IS NOT DISTINCT FROM p.origin_job_id
                 AND o.write_off_reason = p.write_off_reason)
            UNION ALL
            SELECT {_POSTING} FROM posting p
            WHERE {of_practice("p")} AND p.caused_by_id IS NULL AND p.origin_job_id IS NOT NULL""",
    ),
    "no_credit_beside_a_write_off": Invariant(
        "no line has a credit alongside an unreversed write-off: a posting that lowers the balance below zero reverses "
        "the write-off first",
        f"""SELECT {_POSTING} FROM line_item l
            JOIN posting p ON p.practice_id = l.practice_id AND p.claim_id = l.claim_id AND p.line = l.number
            WHERE {of_practice("l")} AND (l.insurance_due < 0 OR l.patient_due < 0) AND p.kind = 'write_off'
              AND CASE p.responsibility WHEN 'insurance' THEN l.insurance_due ELSE l.patient_due END < 0
              AND NOT EXISTS (
                SELECT FROM posting r WHERE r.practice_id = p.practice_id AND r.claim_id = p.claim_id
                   AND r.line = p.line AND r.reverses_id = p.id)""",
    ),
}
