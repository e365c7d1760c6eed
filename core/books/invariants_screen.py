"""The screen for balances and write-offs: the claims for which the ledger needs a closer look."""

from typing import Final

from core.books.check import Screen, of_practice

_POSTED: Final = f"""
    SELECT p.practice_id, p.claim_id, p.line,
           sum(p.amount_cents) FILTER (WHERE p.kind = 'charge') AS charge,
           sum(p.amount_cents) FILTER (WHERE p.responsibility = 'insurance') AS insurance_due,
           sum(p.amount_cents) FILTER (WHERE p.responsibility = 'patient') AS patient_due,
           bool_or(p.responsibility NOT IN ('insurance', 'patient')) AS odd,
           max(p.id) FILTER (WHERE p.kind NOT IN ('write_off', 'reversal')) AS last_other,
           min(p.id) FILTER (WHERE p.kind = 'write_off') AS first_write_off,
           max(p.amount_cents) FILTER (WHERE p.kind = 'write_off') AS least_written_off,
           count(*) FILTER (WHERE p.kind = 'write_off' AND p.responsibility = 'insurance') AS insurance_write_offs,
           count(*) FILTER (WHERE p.kind = 'write_off' AND p.responsibility <> 'insurance') AS patient_write_offs,
           min(p.id) FILTER (WHERE p.kind = 'reversal') AS first_reversal,
           min(p.amount_cents) FILTER (WHERE p.kind = 'reversal') AS least_reversed,
           sum(p.amount_cents) FILTER (WHERE p.kind = 'reversal' AND p.responsibility = 'insurance')
             AS insurance_reversed,
           sum(p.amount_cents) FILTER (WHERE p.kind = 'reversal' AND p.responsibility <> 'insurance')
             AS patient_reversed
    FROM (SELECT * FROM posting p WHERE {of_practice("p")} ORDER BY practice_id, claim_id, line OFFSET 0) p
    GROUP BY 1, 2, 3"""

_LINES: Final = f"""
    SELECT coalesce(l.practice_id, s.practice_id) AS practice_id, coalesce(l.claim_id, s.claim_id) AS claim_id,
           sum(l.charge) AS billed, sum(l.insurance_due) AS insurance_due, sum(l.patient_due) AS patient_due,
           bool_or(l.insurance_due < 0 OR l.patient_due < 0) AS credit,
           bool_or((l.charge, l.insurance_due, l.patient_due) IS DISTINCT FROM
                   (coalesce(s.charge, 0), coalesce(s.insurance_due, 0), coalesce(s.patient_due, 0))) AS differs,
           max(s.last_other) AS last_other, min(s.first_write_off) AS first_write_off,
           max(s.least_written_off) AS least_written_off, min(s.first_reversal) AS first_reversal,
           min(s.least_reversed) AS least_reversed,
           bool_or(s.odd OR s.insurance_write_offs > 1 OR s.patient_write_offs > 1) AS again,
           bool_or(s.insurance_due < coalesce(s.insurance_reversed, 0)
                   OR s.patient_due < coalesce(s.patient_reversed, 0)) AS low
    FROM (SELECT * FROM line_item l WHERE {of_practice("l")}) l
    FULL JOIN ({_POSTED}) s ON s.practice_id = l.practice_id AND s.claim_id = l.claim_id AND s.line = l.number
    GROUP BY 1, 2"""

# A claim is left out if its balances are those of its lines and of the ledger, and if its write-offs, if any, are one
# for each balance, and are all followed only by write-offs and reversals. Each reversal raises a balance. So a balance
# was never lower, from the first write-off on, than all postings without the reversals make it. That is not below zero,
# and neither is it before the first write-off, because each write-off lowers a balance.
# CASE makes the planner expect few claims, so that it looks for them in the ledger, and not the other way around.
CLAIMS: Final = Screen(
    "screened_claim",
    f"""SELECT coalesce(c.practice_id, s.practice_id) AS practice_id, coalesce(c.id, s.claim_id) AS claim_id
        FROM (SELECT * FROM claim c WHERE {of_practice("c")}) c
        FULL JOIN ({_LINES}) s ON s.practice_id = c.practice_id AND s.claim_id = c.id
        WHERE CASE
          WHEN c.id IS NULL OR s.differs
          OR (c.billed, c.insurance_due, c.patient_due, c.has_credit_line) IS DISTINCT FROM
            (coalesce(s.billed, 0), coalesce(s.insurance_due, 0), coalesce(s.patient_due, 0),
             coalesce(s.credit, false))
          OR s.first_write_off IS NOT NULL AND (
            s.again OR s.low OR s.last_other > s.first_write_off OR s.least_written_off >= 0
            OR s.first_reversal < s.first_write_off OR s.least_reversed <= 0)
          THEN 'unsure' ELSE 'right' END = 'unsure'""",
)


def screened(claim_id: str) -> str:
    """Return, as SQL, whether the claim of a row needs a closer look."""
    alias = claim_id.partition(".")[0]
    return f"({alias}.practice_id, {claim_id}) IN (SELECT k.practice_id, k.claim_id FROM {CLAIMS.name} k)"
