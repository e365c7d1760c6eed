"""Invariants outside the ledger: the audit chain, the totals of ended jobs, and exclusions."""

from typing import Final

from core.books.check import Invariant, of_practice

_LINK: Final = "'practice ' || l.practice_id || ', act number ' || l.number"
_JOB: Final = "'practice ' || j.practice_id || ', job ' || j.id"

# Repeated here instead of calling the trigger's function, so that a replaced function is detected too.
_DIGEST: Final = """encode(sha256(convert_to((jsonb_build_array(
    l.previous, e.practice_id, e.id, extract(epoch FROM e.at), e.user_id, e.act, e.subject, e.facts)
    || CASE WHEN l.postings_sha256 IS NULL THEN '[]' ELSE jsonb_build_array(l.transaction_id, l.postings_sha256) END
    )::text, 'UTF8')), 'hex')"""

_CHUNKS_DIGEST: Final = """encode(sha256(convert_to(string_agg(concat_ws('|', k.first_position, k.last_position,
    k.settled, k.skipped, k.failed, k.insurance_cents, k.patient_cents, k.insurance_before_cents,
    k.patient_before_cents, k.insurance_after_cents, k.patient_after_cents), E'\\n' ORDER BY k.first_position),
    'UTF8')), 'hex')"""

AUDIT_INVARIANTS: Final[dict[str, Invariant]] = {
    "every_act_is_chained": Invariant(
        "every entry in the audit log is a link in its practice's chain",
        f"""SELECT 'practice ' || e.practice_id || ', entry ' || e.id
            FROM audit_entry e LEFT JOIN audit_link l ON l.practice_id = e.practice_id AND l.entry_id = e.id
            WHERE {of_practice("e")} AND l.number IS NULL""",
    ),
    "the_chain_has_no_gap": Invariant(
        "the links of a practice's chain are numbered from 1 without gaps, and no chained entry is missing",
        f"""SELECT {_LINK} FROM (
                SELECT practice_id, number, entry_id,
                       row_number() OVER (PARTITION BY practice_id ORDER BY number) AS place
                FROM audit_link l WHERE {of_practice("l")}
            ) l LEFT JOIN audit_entry e ON e.practice_id = l.practice_id AND e.id = l.entry_id
            WHERE l.number <> l.place OR e.id IS NULL""",
    ),
    "every_digest_is_right": Invariant(
        "each link's digest covers the previous link and its own entry: nothing was changed, swapped or inserted",
        f"""SELECT {_LINK} FROM (
                SELECT practice_id, number, entry_id, digest, transaction_id, postings_sha256,
                       lag(digest, 1, '') OVER (PARTITION BY practice_id ORDER BY number) AS previous
                FROM audit_link l WHERE {of_practice("l")}
            ) l JOIN audit_entry e ON e.practice_id = l.practice_id AND e.id = l.entry_id
            WHERE l.digest <> {_DIGEST}""",
    ),
    "the_head_is_the_last_link": Invariant(
        "the head of a practice's chain is its last link: nothing was cut off at the end",
        f"""SELECT 'practice ' || coalesce(h.practice_id, l.practice_id)
            FROM (SELECT * FROM audit_head h WHERE {of_practice("h")}) h
            FULL JOIN (SELECT DISTINCT ON (practice_id) practice_id, number, digest FROM audit_link l
                       WHERE {of_practice("l")} ORDER BY practice_id, number DESC) l USING (practice_id)
            WHERE (h.number, h.digest) IS DISTINCT FROM (l.number, l.digest)""",
    ),
    "every_job_has_its_acts": Invariant(
        "the audit log has an entry for the confirmation of each confirmed job and for the end of each ended job",
        f"""SELECT {_JOB} FROM settle_job j
            WHERE {of_practice("j")} AND (
              (j.confirmed_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM audit_entry e WHERE e.practice_id = j.practice_id AND e.subject = 'job:' || j.id
                   AND e.act IN ('job.confirmed', 'job.approved')))
              OR (j.status IN ('completed', 'cancelled', 'rejected', 'expired') AND NOT EXISTS (
                SELECT FROM audit_entry e WHERE e.practice_id = j.practice_id AND e.subject = 'job:' || j.id
                   AND e.act = 'job.' || j.status)))""",
    ),
    "a_month_is_as_the_audit_says": Invariant(
        "a closed month's checksum is the one that the audit log recorded at its close, and it was not reopened later",
        f"""SELECT 'practice ' || m.practice_id || ', month ' || to_char(m.month::timestamp, 'YYYY-MM') FROM period m
            LEFT JOIN LATERAL (
                SELECT e.act, e.facts FROM audit_entry e
                WHERE e.practice_id = m.practice_id AND e.subject = 'month:' || to_char(m.month::timestamp, 'YYYY-MM')
                  AND e.act IN ('month.closed', 'month.reopened') ORDER BY e.id DESC LIMIT 1
            ) a ON true
            LEFT JOIN LATERAL (
                SELECT k.state, k.digest FROM period_event k
                WHERE k.practice_id = m.practice_id AND k.month = m.month ORDER BY k.id DESC LIMIT 1
            ) h ON true
            WHERE {of_practice("m")} AND CASE m.state
              WHEN 'closed' THEN ('month.closed', m.digest, 'closed', m.digest)
                                 IS DISTINCT FROM (a.act, a.facts->>'digest', h.state, h.digest)
              ELSE a.act = 'month.closed' OR h.state = 'closed' END""",
    ),
    "a_job_is_as_it_ended": Invariant(
        "the chunk counters of an ended job match the audit entry that ended it",
        f"""SELECT {_JOB} FROM settle_job j
            JOIN (SELECT DISTINCT ON (e.practice_id, e.subject) e.practice_id, e.subject, e.facts FROM audit_entry e
                  WHERE {of_practice("e")} AND e.act IN ('job.completed', 'job.cancelled')
                  ORDER BY e.practice_id, e.subject, e.id DESC
            ) a ON a.practice_id = j.practice_id AND a.subject = 'job:' || j.id
            LEFT JOIN (SELECT k.practice_id, k.job_id, {_CHUNKS_DIGEST} AS digest FROM job_chunk k
                       WHERE {of_practice("k")} GROUP BY 1, 2) k ON k.practice_id = j.practice_id AND k.job_id = j.id
            WHERE {of_practice("j")} AND j.status IN ('completed', 'cancelled') AND a.facts ? 'chunks_sha256'
              AND a.facts->>'chunks_sha256' IS DISTINCT FROM k.digest""",
    ),
    "excluded_claims_are_not_written_off": Invariant(
        "no job writes off a claim while its patient or payer is excluded",
        # A chunk that started before the exclusion may post a moment after it, and clocks differ, so allow five
        # minutes. A remainder that a late payment re-posted was written off earlier.
        f"""SELECT 'practice ' || p.practice_id || ', posting ' || p.id
            FROM posting p JOIN claim c ON c.practice_id = p.practice_id AND c.id = p.claim_id
            JOIN settle_job j ON j.practice_id = p.practice_id AND j.id = p.job_id
            JOIN exclusion x ON x.practice_id = c.practice_id AND
              (x.patient_id = c.patient_id OR x.payer_id IN (c.primary_payer_id, c.secondary_payer_id))
            WHERE {of_practice("p")} AND p.kind = 'write_off' AND p.caused_by_id IS NULL
              AND p.created_at > x.created_at + interval '5 minutes'
              AND (x.ended_at IS NULL OR p.created_at < x.ended_at)
              AND (x.until IS NULL OR j.as_of <= x.until)""",
    ),
    "waived_cost_share_has_a_reason": Invariant(
        "a job that wrote off Medicare or Medicaid cost sharing has a reason",
        f"""SELECT {_JOB} FROM settle_job j
            WHERE {of_practice("j")} AND j.confirmed_at IS NOT NULL AND j.cost_share_reason = ''
              AND (j.preview->'cost_share'->>'job_cents')::bigint > 0""",
    ),
}
