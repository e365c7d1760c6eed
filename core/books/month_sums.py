"""The totals of a month of the ledger, and a digest of all its postings."""

import datetime as dt
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import calendar_months
from core.models.ledger import Posting

# Hash each posting, and add up two 64-bit numbers of each hash over the month. The sums and the count are hashed
# together, so that the order of postings does not matter and no large text is needed.
POSTING_TEXT: Final = """jsonb_build_array(p.id, p.claim_id, p.line, p.responsibility, p.kind,
    p.amount_cents, p.paid_by, p.group_code, p.reason_code, p.write_off_reason, p.note, p.posted_on - date '1970-01-01',
    extract(epoch FROM p.created_at), p.user_id, p.job_id, p.claim_version, p.reverses_id, p.caused_by_id,
    p.origin_job_id, p.source, p.source_id)::text"""
_HASH: Final = f"sha256(convert_to({POSTING_TEXT}, 'UTF8'))"
_LANES: Final = (1, 9)  # where each number begins in the hash


def _lane(first: int) -> str:
    return f"sum(('x' || encode(substr(h.hash, {first}, 8), 'hex'))::bit(64)::bigint)"


def sums_by_month(where: str) -> str:
    """Return a query for (practice_id, month, totals, digest) of the postings `p` that `where` selects.

    `totals` is {kind: {responsibility: {"count": …, "cents": …}}}.
    """
    sums = ", ".join(f"{_lane(first)} AS lane_{first}" for first in _LANES)
    hashed = " || '|' || ".join(["sum(k.count)", *(f"sum(k.lane_{first})" for first in _LANES)])
    return f"""
        SELECT k.practice_id, k.month, jsonb_object_agg(k.kind, k.sides) AS totals,
               encode(sha256(convert_to({hashed}, 'UTF8')), 'hex') AS digest
        FROM (
            SELECT s.practice_id, s.month, s.kind, sum(s.count) AS count,
                   {", ".join(f"sum(s.lane_{first}) AS lane_{first}" for first in _LANES)},
                   jsonb_object_agg(s.responsibility, jsonb_build_object('count', s.count, 'cents', s.cents)) AS sides
            FROM (
                SELECT h.practice_id, h.month, h.kind, h.responsibility, count(*) AS count,
                       sum(h.amount_cents) AS cents, {sums}
                FROM (
                    SELECT p.practice_id, date_trunc('month', p.posted_on::timestamp)::date AS month, p.kind,
                           p.responsibility, p.amount_cents, {_HASH} AS hash
                    FROM posting p WHERE {where}
                ) h GROUP BY 1, 2, 3, 4
            ) s GROUP BY 1, 2, 3
        ) k GROUP BY 1, 2"""  # noqa: S608  put together from constants; values are bound


class MonthSums(NamedTuple):
    """The sums of the postings of one month."""

    totals: dict[str, Any]
    digest: str  # empty without postings
    latest: dt.datetime | None  # when the newest was created


_OF_MONTH: Final = "p.practice_id = :practice_id AND p.posted_on >= :first AND p.posted_on < :next"
_SUMS: Final = text(sums_by_month(_OF_MONTH))
_LATEST: Final = text(f"SELECT max(p.created_at) FROM posting p WHERE {_OF_MONTH}")  # noqa: S608  as above


def for_month(session: Session, practice_id: int, first: dt.date, following: dt.date) -> MonthSums:
    """Return the current sums of the postings dated from `first` to before `following`."""
    period = {"practice_id": practice_id, "first": first, "next": following}
    found = session.execute(_SUMS, period).one_or_none()
    latest = session.scalar(_LATEST, period)
    return MonthSums(found.totals, found.digest, latest) if found else MonthSums({}, "", None)


def totals_of(session: Session, practice_id: int, months: Collection[dt.date]) -> dict[dt.date, dict[str, Any]]:
    """Return the current totals of each month, without a digest, from one query."""
    found: dict[dt.date, dict[str, Any]] = {month: {} for month in months}
    if not found:
        return found
    session.execute(text("SELECT set_config('jit', 'off', true)"))
    # Grouped by day, because the month of each posting would take longer to compute than the sums.
    key = (Posting.posted_on, Posting.kind, Posting.responsibility)
    in_range = (Posting.posted_on >= min(found), Posting.posted_on < calendar_months.next_month(max(found)))
    rows = select(*key, func.count(), func.sum(Posting.amount_cents)).where(
        Posting.practice_id == practice_id, *in_range
    )
    for day, kind, side, count, cents in session.execute(rows.group_by(*key)):
        if (month := calendar_months.month_of(day)) in found:
            sums = found[month].setdefault(kind.value, {}).setdefault(side.value, {"count": 0, "cents": 0})
            sums["count"] += count
            sums["cents"] += int(cents)
    return found
