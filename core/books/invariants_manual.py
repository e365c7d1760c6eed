"""Invariants for manual postings: voids, refunds, transfers of credits, and the per-claim limit."""

from typing import Final

from core.books.check import Invariant, of_practice

_POSTING: Final = "'practice ' || p.practice_id || ', posting ' || p.id"
_ENTRY: Final = "'practice ' || p.practice_id || ', posting ' || min(p.id)"
_BY_ENTRY: Final = "GROUP BY p.practice_id, split_part(p.source_id, ':', 1)"

# What a user took off a balance by hand. The first posting of a refund or of a transferred credit raises one.
_BY_HAND: Final = """{0}.source = 'entry' AND split_part({0}.source_id, ':', 2) = '0' AND {0}.amount_cents < 0
              AND {0}.kind IN ('payment', 'adjustment', 'transfer')"""
_APPROVED: Final = """EXISTS (SELECT FROM posting_request q WHERE q.practice_id = {0}.practice_id
              AND q.source_id = split_part({0}.source_id, ':', 1) AND q.decided_by <> q.requested_by)"""
# Earlier versions recorded no limit and no posting. The entries are compared by id, as for jobs.
_ACT: Final = """JOIN audit_entry e ON e.practice_id = p.practice_id AND e.act = 'claim.posted'
              AND e.facts->>'posting_id' = p.id::text AND e.facts ? 'limit_cents'"""
_BY_CHOICE: Final = """EXISTS (SELECT FROM audit_entry s WHERE s.practice_id = e.practice_id
              AND s.subject = 'practice:' || e.practice_id AND s.act = 'one_person.chosen' AND s.id < e.id
              AND s.user_id = p.user_id AND s.at <= p.created_at - interval '24 hours'
              AND NOT EXISTS (SELECT FROM audit_entry x WHERE x.practice_id = s.practice_id AND x.subject = s.subject
                AND x.id > s.id AND x.id < e.id AND x.act IN ('one_person.ended', 'one_person.lapsed')))"""

MANUAL_INVARIANTS: Final[dict[str, Invariant]] = {
    "voids_reverse_manual_postings": Invariant(
        "a void reverses a manual payment, adjustment or transfer; it has a user and a reason, and is not dated before "
        "its posting",
        f"""SELECT {_POSTING} FROM posting p JOIN posting o
              ON o.practice_id = p.practice_id AND o.claim_id = p.claim_id AND o.line = p.line AND o.id = p.reverses_id
            WHERE {of_practice("p")} AND p.kind = 'reversal' AND p.source = 'entry'
              AND (o.kind NOT IN ('payment', 'adjustment', 'transfer') OR o.source IS DISTINCT FROM 'entry'
                OR p.user_id IS NULL OR coalesce(p.note, '') = '' OR p.posted_on < o.posted_on
                OR p.paid_by IS DISTINCT FROM o.paid_by)""",
    ),
    "voids_reverse_whole_entries": Invariant(
        "either both sides of a manual transfer are voided or neither is",
        f"""SELECT {_ENTRY} FROM posting p LEFT JOIN posting r
              ON r.practice_id = p.practice_id AND r.reverses_id = p.id AND r.kind = 'reversal'
            WHERE {of_practice("p")} AND p.source = 'entry' AND p.kind <> 'reversal'
            {_BY_ENTRY} HAVING count(r.id) NOT IN (0, count(*))""",
    ),
    "transfers_move_balances_of_one_patient": Invariant(
        "the two sides of a manual transfer add up to zero, on claims of one patient",
        f"""SELECT {_ENTRY} FROM posting p JOIN claim c ON c.practice_id = p.practice_id AND c.id = p.claim_id
            WHERE {of_practice("p")} AND p.source = 'entry' AND p.kind = 'transfer'
            {_BY_ENTRY} HAVING count(*) <> 2 OR sum(p.amount_cents) <> 0 OR count(DISTINCT c.patient_id) <> 1""",
    ),
    "refunds_stay_within_credits": Invariant(
        "no manual refund raises the balance of a line above zero",
        f"""SELECT {_POSTING} FROM (
                SELECT p.practice_id, p.id, p.kind, p.source, p.amount_cents,
                       sum(p.amount_cents) OVER (PARTITION BY p.practice_id, p.claim_id, p.line, p.responsibility
                                                 ORDER BY p.id) AS due_after
                FROM posting p WHERE {of_practice("p")} AND EXISTS (
                  SELECT FROM posting f WHERE f.practice_id = p.practice_id AND f.claim_id = p.claim_id
                     AND f.line = p.line AND f.kind = 'payment' AND f.source = 'entry' AND f.amount_cents > 0)
            ) p WHERE p.kind = 'payment' AND p.source = 'entry' AND p.amount_cents > 0 AND p.due_after > 0""",
    ),
    "postings_by_hand_over_a_limit_were_approved": Invariant(
        "what a user entered by hand on a claim within 30 days was approved by another user if it exceeded the limit "
        "that the audit log names, or was posted by the choice that one person works in the practice",
        f"""SELECT {_POSTING} FROM posting p {_ACT} JOIN LATERAL (
                SELECT sum(-o.amount_cents) AS cents FROM posting o
                WHERE o.practice_id = p.practice_id AND o.claim_id = p.claim_id AND o.user_id = p.user_id
                  AND o.id <= p.id AND o.created_at > p.created_at - interval '30 days'
                  AND {_BY_HAND.format("o")} AND NOT {_APPROVED.format("o")}
            ) t ON t.cents > (e.facts->>'limit_cents')::bigint
            WHERE {of_practice("p")} AND {_BY_HAND.format("p")} AND NOT {_APPROVED.format("p")} AND NOT {_BY_CHOICE}""",
    ),
    "approved_postings_are_as_requested": Invariant(
        "a posting by hand that needed approval was posted once, as its requester entered it, if another user approved "
        "it, and the audit log names both",
        f"""SELECT 'practice ' || q.practice_id || ', posting request ' || q.id FROM posting_request q
            JOIN claim c ON c.practice_id = q.practice_id AND c.id = q.claim_id
            LEFT JOIN posting p ON p.practice_id = q.practice_id AND p.source = 'entry'
              AND p.source_id = concat(q.source_id, ':', 0)
            WHERE {of_practice("q")} AND (
              (p.id IS NOT NULL) <> (q.state = 'posted')
              OR p.id IS NOT NULL AND (p.claim_id, p.line, p.responsibility, p.kind, -p.amount_cents, p.paid_by,
                p.group_code, p.reason_code, p.note, p.posted_on, p.user_id) IS DISTINCT FROM (q.claim_id, q.line,
                q.responsibility, q.kind, q.amount_cents, q.paid_by, q.group_code, q.reason_code, q.note, q.posted_on,
                q.requested_by)
              OR NOT EXISTS (SELECT FROM audit_entry e WHERE e.practice_id = q.practice_id
                AND e.subject = 'claim:' || c.external_id AND e.act = 'claim.posting_asked'
                AND (e.user_id, e.at, e.facts->>'request', e.facts->>'amount_cents', e.facts->>'kind')
                  = (q.requested_by, q.requested_at, q.id::text, q.amount_cents::text, q.kind))
              OR q.decided_by IS NOT NULL AND NOT EXISTS (SELECT FROM audit_entry e
                WHERE e.practice_id = q.practice_id AND e.subject = 'claim:' || c.external_id
                  AND e.act = 'claim.posting_' || CASE q.state WHEN 'posted' THEN 'approved' ELSE q.state END
                  AND (e.user_id, e.at, e.facts->>'request') = (q.decided_by, q.decided_at, q.id::text)))""",
    ),
}
