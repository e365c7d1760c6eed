"""Invariants that find edits by hand: digests of postings and frozen jobs, and what the audit log says of each."""

from typing import Final

from core.books.check import Invariant, Screen, of_practice

_POSTING: Final = "'practice ' || p.practice_id || ', posting ' || p.id"
_DIGEST: Final = "'practice ' || d.practice_id || ', postings ' || d.first_id || ' to ' || d.last_id"
_JOB: Final = "'practice ' || j.practice_id || ', job ' || j.id"
_LINK: Final = "'practice ' || l.practice_id || ', act number ' || l.number"
_JOB_SUBJECT: Final = "'job:' || j.id"

# Repeated here instead of calling the trigger's function, so that a replaced function is detected too.
_LINE: Final = """CASE WHEN p.job_id IS NOT NULL
    THEN concat_ws('|', p.id, p.claim_id, p.line, p.responsibility, p.amount_cents, p.claim_version, p.reverses_id)
    ELSE concat_ws('|', p.id, p.claim_id, p.line, p.responsibility, p.amount_cents, coalesce(p.claim_version, 0),
        coalesce(p.reverses_id, 0), p.kind, coalesce(p.paid_by, ''), coalesce(p.group_code, ''),
        coalesce(p.reason_code, ''), coalesce(p.write_off_reason, ''), p.posted_on - date '1970-01-01',
        extract(epoch FROM p.created_at), coalesce(p.user_id, 0), coalesce(p.caused_by_id, 0),
        coalesce(p.origin_job_id, 0), coalesce(p.source, ''), coalesce(p.source_id, ''), coalesce(p.note, ''))
    END"""


# As the trigger groups the postings of a statement, so that a digest has postings of one block of ids.
_BLOCK: Final = "{0} / 100000"

# A digest is left out if it alone has the key of its postings, and if they have its first and last id, its number and
# its checksum. The postings are joined in the order in which they are read, which is that of their ids or nearly so. If
# it is not, the checksum differs, and the invariants below sort them. OFFSET keeps the planner from expecting as many
# blocks as postings, which it would sort.
_DIGESTS: Final = Screen(
    "screened_digest",
    f"""SELECT practice_id, job_id, at, block FROM (
            SELECT p.practice_id, p.job_id, p.created_at AS at, p.block, min(p.id) AS first_id, max(p.id) AS last_id,
                   count(*) AS postings,
                   encode(sha256(convert_to(string_agg({_LINE}, E'\\n'), 'UTF8')), 'hex') AS sha256, 0 AS digests
            FROM (SELECT p.*, {_BLOCK.format("p.id")} AS block FROM posting p
                  WHERE {of_practice("p")} OFFSET 0) p GROUP BY 1, 2, 3, 4
            UNION ALL
            SELECT d.practice_id, d.job_id, d.at, {_BLOCK.format("d.first_id")}, d.first_id, d.last_id, d.postings,
                   CASE WHEN d.ids IS NULL THEN d.sha256 END, 1
            FROM posting_digest d WHERE {of_practice("d")}
        ) b GROUP BY 1, 2, 3, 4
        HAVING CASE WHEN (count(*), sum(digests), count(sha256)) = (2, 1, 2)
          AND (min(first_id), min(last_id), min(postings), min(sha256))
            = (max(first_id), max(last_id), max(postings), max(sha256)) THEN 'right' ELSE 'unsure' END = 'unsure'""",
)


def _has_key_of(key: str, postings: str = "p", *, at: str = "created_at", first_id: str = "id") -> str:
    block = _BLOCK.format(f"{postings}.{first_id}")
    return f"""{key}.practice_id = {postings}.practice_id AND {key}.at = {postings}.{at}
    AND coalesce({key}.job_id, 0) = coalesce({postings}.job_id, 0) AND {key}.block = {block}"""


_OF_BLOCK: Final = f"(SELECT d.*, {_BLOCK.format('d.first_id')} AS block FROM posting_digest d)"
# `o` is the digest that lists the posting's id. Without one, `d` is the digest whose range has the id.
_DIGESTED: Final = f"""posting p
    LEFT JOIN {_OF_BLOCK} o ON {_has_key_of("o")} AND o.ids IS NOT NULL AND p.id <@ o.ids
    LEFT JOIN {_OF_BLOCK} d ON {_has_key_of("d")} AND (
        d.id = o.id OR o.id IS NULL AND d.ids IS NULL AND p.id BETWEEN d.first_id AND d.last_id)"""
# OFFSET makes the planner choose the postings first.
_SCREENED: Final = _DIGESTED.replace(
    "posting p", f"(SELECT p.* FROM posting p JOIN {_DIGESTS.name} k ON {_has_key_of('k')} OFFSET 0) p", 1
)

_ITEM_LINE: Final = """concat_ws('|', i.position, i.claim_id, i.claim_version, i.billing_status_before,
    i.settles_insurance, i.settles_patient, i.insurance_cents, i.patient_cents, i.verdict,
    coalesce(i.verdict_code, ''))"""
_FROZEN: Final = """encode(sha256(convert_to(jsonb_build_array(j.kind, j.target_status, j.selection, j.reason,
    j.practice_reason, j.note, j.overridden_rules, j.setting, j.provider_settings, j.rule_values,
    j.as_of - date '1970-01-01', j.posting_date - date '1970-01-01', j.requested_by,
    extract(epoch FROM j.requested_at), j.confirmed_by, j.claims_total, j.preview, j.reverses_job_id, j.schedule_id,
    j.schedule_created_by, j.run_date - date '1970-01-01', j.limits, j.limits_exceeded, j.cost_share_reason,
    j.items_sha256)::text, 'UTF8')), 'hex')"""


def _sha256(lines: str, order: str, between: str = r"E'\n'") -> str:
    return f"encode(sha256(convert_to(string_agg({lines}, {between} ORDER BY {order}), 'UTF8')), 'hex')"


_OF_TRANSACTION: Final = _sha256(
    "concat_ws('|', d.id, coalesce(d.job_id, 0), extract(epoch FROM d.at), d.first_id, d.last_id, d.postings, "
    "d.sha256)", "d.id"
)  # fmt: skip
_OF_JOB: Final = _sha256(
    "concat_ws('|', extract(epoch FROM d.at), d.first_id, d.last_id, d.postings, d.sha256)", "d.first_id"
)

DIGEST_INVARIANTS: Final[dict[str, Invariant]] = {
    "every_posting_has_a_digest": Invariant(
        "every posting belongs to a digest that was written when it was posted",
        f"""SELECT {_POSTING} FROM {_SCREENED}
            WHERE {of_practice("p")} AND d.id IS NULL""",
        _DIGESTS,
    ),
    "postings_are_as_they_were_posted": Invariant(
        "the postings of each digest are those that it was written for: none was changed, deleted or slipped in",
        f"""SELECT {_DIGEST} FROM posting_digest d
            JOIN {_DIGESTS.name} k ON {_has_key_of("k", "d", at="at", first_id="first_id")}
            LEFT JOIN (
                SELECT d.practice_id, d.id, count(*) AS postings, {_sha256(_LINE, "p.id")} AS sha256
                FROM {_SCREENED} WHERE {of_practice("p")} GROUP BY 1, 2
            ) s ON s.practice_id = d.practice_id AND s.id = d.id
            WHERE {of_practice("d")} AND ((d.postings, d.sha256) IS DISTINCT FROM (s.postings, s.sha256)
              OR NOT int8multirange(int8range(d.first_id, d.last_id, '[]')) @> d.ids
              OR {_BLOCK.format("d.first_id")} <> {_BLOCK.format("d.last_id")})""",
        _DIGESTS,
    ),
    "postings_have_their_act": Invariant(
        "the digests of each transaction that posted are those that the audit log's chain covers",
        f"""SELECT {_LINK} FROM audit_link l LEFT JOIN (
                SELECT d.practice_id, d.transaction_id, {_OF_TRANSACTION} AS sha256 FROM posting_digest d
                WHERE {of_practice("d")} GROUP BY 1, 2
            ) s ON s.practice_id = l.practice_id AND s.transaction_id = l.transaction_id
            WHERE {of_practice("l")} AND l.postings_sha256 IS DISTINCT FROM s.sha256
              AND l.postings_sha256 IS NOT NULL
            UNION ALL
            SELECT {_DIGEST} FROM posting_digest d LEFT JOIN audit_link l
              ON l.practice_id = d.practice_id AND l.transaction_id = d.transaction_id
            WHERE {of_practice("d")} AND d.job_id IS NULL AND l.number IS NULL""",
    ),
    "jobs_posted_what_their_acts_say": Invariant(
        "the digests of an ended job's postings are those that the audit entry recorded at its end",
        f"""SELECT {_JOB} FROM settle_job j
            JOIN (SELECT DISTINCT ON (e.practice_id, e.subject) e.practice_id, e.subject, e.facts FROM audit_entry e
                  WHERE {of_practice("e")} AND e.act IN ('job.completed', 'job.cancelled')
                  ORDER BY e.practice_id, e.subject, e.id DESC
            ) a ON a.practice_id = j.practice_id AND a.subject = {_JOB_SUBJECT}
            LEFT JOIN (SELECT d.practice_id, d.job_id, {_OF_JOB} AS sha256 FROM posting_digest d
                       WHERE {of_practice("d")} AND d.job_id IS NOT NULL GROUP BY 1, 2
            ) s ON s.practice_id = j.practice_id AND s.job_id = j.id
            WHERE {of_practice("j")} AND j.status IN ('completed', 'cancelled') AND a.facts ? 'postings_sha256'
              AND a.facts->>'postings_sha256' IS DISTINCT FROM s.sha256""",
    ),
    "jobs_are_as_they_were_confirmed": Invariant(
        "a job's request, settings, limits, totals and items are those that the audit log recorded at its confirmation "
        "and approval",
        f"""SELECT {_JOB} FROM settle_job j JOIN audit_entry e
              ON e.practice_id = j.practice_id AND e.subject = {_JOB_SUBJECT} AND e.facts ? 'frozen_sha256'
            WHERE {of_practice("j")} AND e.facts->>'frozen_sha256' IS DISTINCT FROM {_FROZEN}
            UNION
            SELECT {_JOB} FROM settle_job j LEFT JOIN (
                SELECT b.practice_id, b.job_id, {_sha256("b.sha256", "b.block", between="''")} AS sha256 FROM (
                    SELECT i.practice_id, i.job_id, (i.position - 1) / 10000 AS block,
                           {_sha256(_ITEM_LINE, "i.position")} AS sha256
                    FROM job_item i WHERE {of_practice("i")} GROUP BY 1, 2, 3
                ) b GROUP BY 1, 2
            ) s ON s.practice_id = j.practice_id AND s.job_id = j.id
            WHERE {of_practice("j")} AND j.items_sha256 IS DISTINCT FROM s.sha256 AND j.items_sha256 IS NOT NULL
              AND j.status NOT IN ('expired', 'discarded', 'rejected', 'reported')""",
    ),
}
