"""Invariants for remittances: what was posted is what the payers answered, once."""

from typing import Final

from core.books.check import Invariant, of_practice

_ANSWER: Final = "'practice ' || a.practice_id || ', remittance ' || a.remittance_id || ', claim ' || a.ordinal"
_REMITTANCE: Final = "'practice ' || r.practice_id || ', remittance ' || r.id"
_POSTING: Final = "'practice ' || p.practice_id || ', posting ' || p.id"
# The source id is REMITTANCE.CLAIM.N. It is null here if it has another form.
_KEY: Final = (
    "substring(p.source_id FROM '^([0-9]+)[.][0-9]+[.][0-9]+$')::bigint AS remittance_id, "
    "substring(p.source_id FROM '^[0-9]+[.]([0-9]+)[.][0-9]+$')::int AS ordinal"
)
_POSTED: Final = f"""
    SELECT p.practice_id, {_KEY}, count(*) AS postings,
           coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'payment'), 0) AS payments,
           coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'adjustment'), 0) AS adjustments,
           coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'transfer' AND p.responsibility = 'patient'), 0)
             AS moved,
           sum(p.amount_cents) AS total
    FROM posting p WHERE {of_practice("p")} AND p.source = 'remittance' GROUP BY 1, 2, 3"""
_SAID: Final = f"""
    SELECT l.practice_id, l.remittance_id, l.claim_ordinal AS ordinal,
           coalesce(sum((g->>2)::bigint) FILTER (WHERE g->>3 = 'post'), 0) AS adjusted,
           coalesce(sum((g->>2)::bigint) FILTER (WHERE g->>3 = 'transfer'), 0) AS moved
    FROM remittance_line l, jsonb_array_elements(l.adjustments) g WHERE {of_practice("l")} GROUP BY 1, 2, 3"""
# A secondary payer may pay a share that the patient owed meanwhile. Then less moves to the patient than it says.
_MOVED: Final = """CASE WHEN a.reasons @> '["share_moved_back"]' THEN least(coalesce(s.moved, 0), coalesce(d.moved, 0))
                         ELSE coalesce(d.moved, 0) END"""
_ANSWERS_SHA256: Final = """encode(sha256(convert_to(jsonb_build_array(
    (SELECT jsonb_agg(jsonb_build_array(a.ordinal, a.claim_number, a.status, a.charge_cents, a.paid_cents,
         a.patient_cents) ORDER BY a.ordinal)
     FROM remittance_claim a WHERE a.practice_id = r.practice_id AND a.remittance_id = r.id),
    (SELECT jsonb_agg(jsonb_build_array(l.claim_ordinal, l.ordinal, l.code, l.charge_cents, l.paid_cents,
         jsonb_path_query_array(l.adjustments, '$[*][0 to 2]')) ORDER BY l.claim_ordinal, l.ordinal)
     FROM remittance_line l WHERE l.practice_id = r.practice_id AND l.remittance_id = r.id)
    )::text, 'UTF8')), 'hex')"""
_IS_POSTED: Final = "a.outcome IN ('posted', 'warned')"
_SAME: Final = "ON {0}.practice_id = a.practice_id AND {0}.remittance_id = a.remittance_id AND {0}.ordinal = a.ordinal"

REMITTANCE_INVARIANTS: Final[dict[str, Invariant]] = {
    "remittances_post_what_they_say": Invariant(
        "the postings of a payer's answer are its payment, the adjustments that a rule posts and the patient's share, "
        "to the cent",
        f"""SELECT {_ANSWER} FROM remittance_claim a
            LEFT JOIN ({_POSTED}) s {_SAME.format("s")} LEFT JOIN ({_SAID}) d {_SAME.format("d")}
            WHERE {of_practice("a")} AND {_IS_POSTED} AND a.reverses_ordinal IS NULL
              AND (coalesce(s.postings, 0), coalesce(s.payments, 0), coalesce(s.adjustments, 0), coalesce(s.moved, 0),
                   coalesce(s.total, 0))
                <> (a.postings, -a.paid_cents, -coalesce(d.adjusted, 0), {_MOVED},
                    -a.paid_cents - coalesce(d.adjusted, 0))""",
    ),
    "remittances_reverse_whole_answers": Invariant(
        "an answer that reverses an earlier one reverses each of its postings, and nothing else",
        f"""SELECT {_ANSWER} FROM remittance_claim a
            JOIN remittance_claim b ON b.practice_id = a.practice_id AND b.remittance_id = a.reverses_remittance_id
              AND b.ordinal = a.reverses_ordinal
            LEFT JOIN (
                SELECT q.practice_id, q.remittance_id, q.ordinal, count(*) AS postings,
                       count(*) FILTER (WHERE o.source = 'remittance') AS reversed,
                       min(substring(o.source_id FROM '^[0-9]+[.][0-9]+')) AS first,
                       max(substring(o.source_id FROM '^[0-9]+[.][0-9]+')) AS last
                FROM (SELECT p.practice_id, p.claim_id, p.line, p.reverses_id, {_KEY} FROM posting p
                      WHERE {of_practice("p")} AND p.source = 'remittance') q
                LEFT JOIN posting o ON o.practice_id = q.practice_id AND o.claim_id = q.claim_id AND o.line = q.line
                  AND o.id = q.reverses_id
                GROUP BY 1, 2, 3
            ) s {_SAME.format("s")}
            WHERE {of_practice("a")} AND {_IS_POSTED}
              AND (a.claim_id <> b.claim_id OR b.outcome NOT IN ('posted', 'warned') OR b.postings > 0 AND
                (s.postings, s.reversed, s.first, s.last) IS DISTINCT FROM
                (b.postings::bigint, b.postings::bigint, b.remittance_id || '.' || b.ordinal,
                 b.remittance_id || '.' || b.ordinal))""",
    ),
    "remittance_postings_have_their_answer": Invariant(
        "each posting of a remittance belongs to a posted answer on the same claim",
        f"""SELECT {_POSTING} FROM (
                SELECT p.practice_id, p.id, p.claim_id, {_KEY} FROM posting p
                WHERE {of_practice("p")} AND p.source = 'remittance'
            ) p LEFT JOIN remittance_claim a ON a.practice_id = p.practice_id AND a.remittance_id = p.remittance_id
              AND a.ordinal = p.ordinal AND a.claim_id = p.claim_id AND {_IS_POSTED}
            WHERE a.ordinal IS NULL""",
    ),
    "remittances_are_as_they_were_recorded": Invariant(
        "a remittance's payment and its payer's answers are those that the audit log recorded at the import",
        f"""SELECT {_REMITTANCE} FROM remittance r LEFT JOIN audit_entry e
              ON e.practice_id = r.practice_id AND e.subject = 'remittance:' || r.id AND e.act = 'remittance.recorded'
            WHERE {of_practice("r")} AND (
              ((e.facts->>'deposit_cents')::bigint, coalesce((e.facts->>'provider_adjustments_cents')::bigint, 0))
                IS DISTINCT FROM (r.paid_cents, r.provider_cents)
              OR e.facts ? 'answers_sha256' AND e.facts->>'answers_sha256' <> {_ANSWERS_SHA256})
            UNION ALL
            SELECT 'practice ' || e.practice_id || ', ' || e.subject FROM audit_entry e
            WHERE {of_practice("e")} AND e.act = 'remittance.recorded' AND NOT EXISTS (
              SELECT FROM remittance r WHERE r.practice_id = e.practice_id AND 'remittance:' || r.id = e.subject)""",
    ),
    "imported_postings_have_their_import": Invariant(
        "each posting of an imported file has the time of an import in the audit log",
        f"""SELECT {_POSTING} FROM posting p
            LEFT JOIN (SELECT DISTINCT e.practice_id, e.at FROM audit_entry e
                       WHERE {of_practice("e")} AND e.act IN ('practice.imported', 'postings.imported')) e
              ON e.practice_id = p.practice_id AND e.at = p.created_at
            WHERE {of_practice("p")} AND p.source IN ('csv', 'file', 'synthea', 'x12') AND e.at IS NULL""",
    ),
    "remittances_leave_no_credit": Invariant(
        "a remittance brings no balance of a service line below zero, counting what was written off",
        f"""SELECT 'practice ' || q.practice_id || ', remittance ' || q.remittance_id || ', claim ' || q.ordinal
              || ', line ' || q.line
            FROM (
                SELECT p.practice_id, p.claim_id, p.line, p.responsibility, p.id, p.amount_cents, p.source, {_KEY},
                       sum(p.amount_cents) OVER (
                           PARTITION BY p.practice_id, p.claim_id, p.line, p.responsibility ORDER BY p.id) AS after
                FROM (SELECT DISTINCT a.practice_id, a.claim_id FROM remittance_claim a
                      WHERE {of_practice("a")} AND {_IS_POSTED} AND a.postings > 0) c
                JOIN posting p ON p.practice_id = c.practice_id AND p.claim_id = c.claim_id AND p.kind <> 'write_off'
                LEFT JOIN posting o ON o.practice_id = p.practice_id AND o.claim_id = p.claim_id AND o.line = p.line
                  AND o.id = p.reverses_id
                WHERE o.kind IS DISTINCT FROM 'write_off'
            ) q WHERE q.source = 'remittance'
            GROUP BY q.practice_id, q.claim_id, q.line, q.responsibility, q.remittance_id, q.ordinal
            HAVING sum(q.amount_cents) < 0 AND (array_agg(q.after ORDER BY q.id DESC))[1] < 0""",
    ),
    "remittances_balance": Invariant(
        "a remittance's answers and provider adjustments are complete, and each line has its answer; unless the "
        "remittance is held, they add up to the payment",
        f"""SELECT {_REMITTANCE} FROM remittance r
            LEFT JOIN (SELECT practice_id, remittance_id, count(*) AS claims, sum(paid_cents) AS cents
                       FROM remittance_claim a WHERE {of_practice("a")} GROUP BY 1, 2) c
              ON c.practice_id = r.practice_id AND c.remittance_id = r.id
            LEFT JOIN (SELECT practice_id, remittance_id, sum(cents) AS cents
                       FROM provider_adjustment p WHERE {of_practice("p")} GROUP BY 1, 2) p
              ON p.practice_id = r.practice_id AND p.remittance_id = r.id
            WHERE {of_practice("r")} AND (
              (r.claims, r.claims_cents, r.provider_cents) <> (coalesce(c.claims, 0), coalesce(c.cents, 0),
                                                               coalesce(p.cents, 0))
              OR (r.held_because IS NULL AND r.claims_cents - r.provider_cents <> r.paid_cents))
            UNION ALL
            SELECT 'practice ' || l.practice_id || ', remittance ' || l.remittance_id || ', claim ' || l.claim_ordinal
            FROM remittance_line l LEFT JOIN remittance_claim a ON a.practice_id = l.practice_id
              AND a.remittance_id = l.remittance_id AND a.ordinal = l.claim_ordinal
            WHERE {of_practice("l")} AND a.ordinal IS NULL""",
    ),
}
