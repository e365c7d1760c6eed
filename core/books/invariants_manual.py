"""Invariants for manual postings: voids, refunds and transfers of credits."""

from typing import Final

from core.books.check import Invariant, of_practice

_POSTING: Final = "'practice ' || p.practice_id || ', posting ' || p.id"
_ENTRY: Final = "'practice ' || p.practice_id || ', posting ' || min(p.id)"
_BY_ENTRY: Final = "GROUP BY p.practice_id, split_part(p.source_id, ':', 1)"

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
}
