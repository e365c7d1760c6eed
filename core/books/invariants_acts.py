"""Invariants between the audit log and the rows that its acts changed: limits, users, holds, exclusions, approvals."""

from typing import Final

from core.books.check import Invariant, of_practice
from core.money import UNLIMITED

_JOB: Final = "'practice ' || j.practice_id || ', job ' || j.id"
_USER: Final = "'practice ' || u.practice_id || ', user ' || u.id"
_ACTS_OF_JOB: Final = "e.practice_id = j.practice_id AND e.subject = 'job:' || j.id"
_ACTS_OF_EXCLUSION: Final = "e.practice_id = x.practice_id AND e.subject = 'exclusion:' || x.id"
_ACTS_OF_USER: Final = "e.practice_id = u.practice_id AND e.subject = 'user:' || u.id"
_LIMIT: Final = f"CASE {{0}} WHEN 'unlimited' THEN '{UNLIMITED}' ELSE {{0}} END"


def _last(of: str, value: str, acts: str) -> str:
    """Return, as SQL, the value that the last of these acts gave."""
    return f"(SELECT {value} FROM audit_entry e WHERE {of} AND {acts} ORDER BY e.id DESC LIMIT 1)"


def _user_limit(column: str) -> str:
    given = f"coalesce(e.facts->'{column}'->>'to', e.facts->>'{column}')"
    acts = f"e.act IN ('user.added', 'user.limits_changed') AND e.facts ? '{column}'"
    return f"u.{column}::text IS DISTINCT FROM {_last(_ACTS_OF_USER, _LIMIT.format(given), acts)}"


# Values of a practice or provider that an act changed, as {column: {"from": …, "to": …}} or {"from": …, "to": …}.
_CHANGES: Final = """
    SELECT DISTINCT ON (e.practice_id, e.subject, k.column_name) e.practice_id, e.subject, k.column_name, k.value
    FROM audit_entry e, LATERAL (
        SELECT c.key AS column_name, c.value->>'to' AS value FROM jsonb_each(e.facts) c
        WHERE jsonb_typeof(c.value) = 'object' AND c.value ? 'to'
        UNION ALL
        SELECT CASE e.act WHEN 'time_zone.changed' THEN 'time_zone' ELSE 'write_off' END, e.facts->>'to'
        WHERE e.act IN ('time_zone.changed', 'write_off_setting.changed')
    ) k
    WHERE (e.subject LIKE 'practice:%' OR e.subject LIKE 'provider:%') AND {of_practice}
    ORDER BY e.practice_id, e.subject, k.column_name, e.id DESC"""

ACT_INVARIANTS: Final[dict[str, Invariant]] = {
    "settings_are_as_the_audit_says": Invariant(
        "each limit and setting of a practice has the value that the audit log recorded last, and a write-off limit "
        "that was never set is unlimited",
        f"""SELECT 'practice ' || m.id || ', ' || c.column_name
            FROM ({_CHANGES.format(of_practice=of_practice("e"))}) c
            JOIN practice m ON m.id = c.practice_id AND c.subject = 'practice:' || m.id
            WHERE to_jsonb(m) ? c.column_name
              AND {_LIMIT.format("c.value")} IS DISTINCT FROM to_jsonb(m)->>c.column_name
            UNION ALL
            SELECT 'practice ' || m.practice_id || ', provider ' || m.id
            FROM ({_CHANGES.format(of_practice=of_practice("e"))}) c
            JOIN provider m ON m.practice_id = c.practice_id AND c.subject = 'provider:' || m.id
            WHERE c.column_name = 'write_off' AND c.value IS DISTINCT FROM m.write_off
            UNION ALL
            SELECT 'practice ' || m.id || ', ' || k.name FROM practice m, LATERAL (
                VALUES ('claim_limit_cents', m.claim_limit_cents), ('job_limit_cents', m.job_limit_cents)
            ) k (name, cents)
            WHERE (CAST(:practice_id AS bigint) IS NULL OR m.id = :practice_id) AND k.cents <> {UNLIMITED}
              AND NOT EXISTS (SELECT FROM audit_entry e WHERE e.practice_id = m.id AND e.subject = 'practice:' || m.id
                                AND e.act = 'write_off_limits.changed' AND e.facts ? k.name)""",
    ),
    "users_are_as_the_audit_says": Invariant(
        "each user was added by an act in the audit log, and has the role, limits and state that it recorded last",
        f"""SELECT {_USER} FROM app_user u WHERE {of_practice("u")} AND (
              u.role IS DISTINCT FROM {
            _last(
                _ACTS_OF_USER,
                "coalesce(e.facts->>'role', e.facts->>'to')",
                "e.act IN ('user.added', 'user.role_changed')",
            )
        }
              OR {_user_limit("claim_limit_cents")} OR {_user_limit("job_limit_cents")}
              OR u.active IS DISTINCT FROM {
            _last(
                _ACTS_OF_USER,
                "e.act <> 'user.deactivated'",
                "e.act IN ('user.added', 'user.deactivated', 'user.reactivated')",
            )
        })
            UNION ALL
            SELECT 'practice ' || e.practice_id || ', ' || e.subject FROM audit_entry e
            WHERE {of_practice("e")} AND e.act = 'user.added' AND NOT EXISTS (
              SELECT FROM app_user u WHERE {_ACTS_OF_USER})""",
    ),
    "holds_are_as_the_audit_says": Invariant(
        "each hold that a user set or released is as the audit log recorded it last, unless an import changed it later",
        f"""SELECT 'practice ' || c.practice_id || ', claim ' || c.external_id FROM claim c LEFT JOIN (
                SELECT DISTINCT ON (e.practice_id, e.subject) e.practice_id, e.subject, e.id, e.act, e.user_id, e.facts
                FROM audit_entry e WHERE {of_practice("e")} AND e.act IN ('claim.held', 'claim.released')
                ORDER BY e.practice_id, e.subject, e.id DESC
            ) a ON a.practice_id = c.practice_id AND a.subject = 'claim:' || c.external_id
            WHERE {of_practice("c")} AND (c.hold_by IS NOT NULL OR a.id IS NOT NULL)
              AND (a.facts->>'hold', a.facts->>'until', CASE a.act WHEN 'claim.held' THEN a.user_id END)
                IS DISTINCT FROM (c.hold, c.hold_until::text, c.hold_by)
              AND (c.hold_by IS NOT NULL OR NOT EXISTS (
                SELECT FROM import_change i WHERE i.practice_id = c.practice_id AND i.record = 'claim'
                   AND i.number = c.external_id AND i.field = 'hold' AND i.entry_id > a.id))""",
    ),
    "exclusions_are_as_the_audit_says": Invariant(
        "each exclusion was created and ended by acts in the audit log, with the same patient or payer and last day",
        f"""SELECT 'practice ' || x.practice_id || ', exclusion ' || x.id FROM exclusion x
            LEFT JOIN patient q ON q.practice_id = x.practice_id AND q.id = x.patient_id
            LEFT JOIN payer y ON y.practice_id = x.practice_id AND y.id = x.payer_id
            LEFT JOIN audit_entry e ON {_ACTS_OF_EXCLUSION} AND e.act = 'exclusion.made'
            LEFT JOIN audit_entry z ON z.practice_id = x.practice_id AND z.subject = 'exclusion:' || x.id
              AND z.act = 'exclusion.ended'
            WHERE {of_practice("x")} AND (
              (e.user_id, e.at, e.facts->>'until') IS DISTINCT FROM (x.created_by, x.created_at, x.until::text)
              -- Earlier versions recorded internal ids.
              OR (e.facts->>'patient', e.facts->>'payer') IS DISTINCT FROM (q.external_id, y.external_id)
                AND (e.facts->>'patient_id', e.facts->>'payer_id')
                  IS DISTINCT FROM (x.patient_id::text, x.payer_id::text)
              OR (z.user_id, z.at) IS DISTINCT FROM (x.ended_by, CASE WHEN x.ended_by IS NOT NULL THEN x.ended_at END)
              -- One that lapsed has an end, but no user ended it. No day ends more than 14 hours before it does in UTC.
              OR x.ended_at IS NOT NULL AND x.ended_by IS NULL AND coalesce(extract(epoch FROM x.ended_at)
                < (x.until + 1 - date '1970-01-01') * 86400 - 14 * 3600, true))
            UNION ALL
            SELECT 'practice ' || e.practice_id || ', ' || e.subject FROM audit_entry e
            WHERE {of_practice("e")} AND e.act = 'exclusion.made' AND NOT EXISTS (
              SELECT FROM exclusion x WHERE {_ACTS_OF_EXCLUSION})""",
    ),
    "jobs_name_the_users_of_their_acts": Invariant(
        "the users who requested, confirmed and decided on a job, and the times, are those of the audit log",
        f"""SELECT {_JOB} FROM settle_job j WHERE {of_practice("j")} AND (
              NOT EXISTS (SELECT FROM audit_entry e WHERE {_ACTS_OF_JOB} AND e.act = 'job.requested'
                            AND e.user_id = j.requested_by AND e.at = j.requested_at)
              OR j.confirmed_at IS NOT NULL AND j.schedule_id IS NULL AND NOT EXISTS (
                SELECT FROM audit_entry e WHERE {_ACTS_OF_JOB} AND e.act IN ('job.confirmed', 'job.approval_asked')
                   AND e.user_id = j.confirmed_by)
              OR (j.decided_by, j.decided_at) IS DISTINCT FROM {
            _last(
                _ACTS_OF_JOB,
                "(e.user_id, e.at)",
                "(e.act IN ('job.approved', 'job.rejected') OR e.act = 'job.discarded' AND j.decided_by IS NOT NULL)",
            )
        } AND NOT (j.decided_by IS NULL AND NOT EXISTS (
                SELECT FROM audit_entry e WHERE {_ACTS_OF_JOB} AND e.act IN ('job.approved', 'job.rejected')))
              OR j.confirmed_at IS NOT NULL AND j.decided_by IS NULL AND EXISTS (
                SELECT FROM audit_entry e WHERE {_ACTS_OF_JOB} AND e.act = 'job.approval_asked'))""",
    ),
    "every_job_of_an_act_exists": Invariant(
        "every job that the audit log names exists",
        f"""SELECT 'practice ' || e.practice_id || ', ' || e.subject FROM audit_entry e
            WHERE {of_practice("e")} AND e.act = 'job.requested' AND NOT EXISTS (
              SELECT FROM settle_job j WHERE {_ACTS_OF_JOB})""",
    ),
    "postings_are_as_their_job": Invariant(
        "each posting of a job has the job's date, reason and user, and nothing that only other postings have",
        f"""SELECT 'practice ' || p.practice_id || ', posting ' || p.id FROM posting p
            JOIN settle_job j ON j.practice_id = p.practice_id AND j.id = p.job_id
            WHERE {of_practice("p")} AND (
              (p.posted_on, p.user_id) IS DISTINCT FROM (j.posting_date, j.confirmed_by)
              OR p.kind <> CASE j.kind WHEN 'reverse' THEN 'reversal' ELSE 'write_off' END
              OR p.kind = 'write_off' AND p.write_off_reason IS DISTINCT FROM j.reason
              OR num_nonnulls(p.note, p.paid_by, p.caused_by_id, p.origin_job_id, p.source, p.source_id) > 0)""",
    ),
    "every_write_off_has_its_job": Invariant(
        "each write-off was posted by a job, or restored by a late posting",
        f"""SELECT 'practice ' || p.practice_id || ', posting ' || p.id FROM posting p
            WHERE {of_practice("p")} AND p.kind = 'write_off' AND p.job_id IS NULL AND p.caused_by_id IS NULL""",
    ),
}
