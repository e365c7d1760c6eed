"""Reverse a job's write-offs posting by posting. Nothing is deleted.

The caller has locked the claims and checked that only late payments changed them. Each statement is built once, as in
`core.ledger.posting`.
"""

import datetime as dt
from functools import cache
from typing import Any, Final

from sqlalchemy import CTE, Select, Subquery, and_, bindparam, func, literal, select, update
from sqlalchemy.orm import Session, aliased

from core.claims.claim_id_array import is_in
from core.db.sums import sum_cents
from core.enums.ledger import PostingKind, Responsibility
from core.enums.ledger_sums import SumKind
from core.ledger import write_offs
from core.ledger.posting import (
    OF_PRACTICE,
    Decided,
    SplitAmount,
    insert_postings,
    named_sums,
    post,
    posted_sums,
    update_claims,
)
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting

_REVERSED_JOB: Final = bindparam("reversed_job", type_=Posting.job_id.type)


def post_counter_entries(session: Session, decided: Decided, job: SettleJob, *, now: dt.datetime) -> SplitAmount:
    """Post the opposite of each unreversed write-off of the original job on these claims, and restore the lines."""
    return post(session, _COUNTER_ENTRIES, decided, job, now=now)


def _counter_entries() -> Select[Any]:
    # A window over each posting and its reversal reads the postings once. A join of the two, without statistics on the
    # original's postings, compared all with all: a chunk took two seconds.
    pair = (Posting.claim_id, Posting.line, func.coalesce(Posting.reverses_id, Posting.id))
    of_claims = (
        select(
            Posting.claim_id, Posting.line, Posting.responsibility, Posting.amount_cents, Posting.id, Posting.kind,
            write_offs.owning_job().label("owner"), func.count().over(partition_by=pair).label("postings"),
        )
        .where(Posting.practice_id == OF_PRACTICE, is_in(Posting.claim_id, "settled"))
        .subquery("of_claims")
    )  # fmt: skip
    unreversed = (of_claims.c.kind == PostingKind.WRITE_OFF, of_claims.c.postings == 1)
    original = select(of_claims).where(*unreversed, of_claims.c.owner == _REVERSED_JOB).subquery("original")
    posted = insert_postings(
        original,
        claim_id=original.c.claim_id,
        line=original.c.line,
        responsibility=original.c.responsibility,
        kind=literal(PostingKind.REVERSAL.value),
        amount_cents=-original.c.amount_cents,
        reverses_id=original.c.id,
    )
    return posted_sums(posted).add_cte(_restored_lines(posted))


def _restored_lines(posted: CTE) -> CTE:
    """Return the update that adds what was posted to the lines' balances."""
    insurance, patient = (
        sum_cents(posted.c.amount_cents, posted.c.responsibility == side.value).label(side.value)
        for side in (Responsibility.INSURANCE, Responsibility.PATIENT)
    )
    key = (posted.c.claim_id, posted.c.line)
    sums = select(*key, insurance, patient).group_by(*key).subquery("sums")
    restored = update(LineItem).where(
        LineItem.practice_id == OF_PRACTICE, LineItem.claim_id == sums.c.claim_id, LineItem.number == sums.c.line
    )
    changes = {
        "insurance_due": LineItem.insurance_due + sums.c.insurance,
        "patient_due": LineItem.patient_due + sums.c.patient,
    }
    return restored.values(changes).cte("restored")


_COUNTER_ENTRIES: Final = _counter_entries()


def restore_claims(session: Session, decided: Decided, job: SettleJob) -> SplitAmount:
    """Restore the claims' balances and earlier billing status. Return the resulting balances."""
    summed = named_sums(SumKind.REVERSAL, job.reverses_job_id, job.posting_date)
    named = {**decided.named, "reversed_job": job.reverses_job_id, **summed}
    return SplitAmount(*map(int, session.execute(_restored_claims(decided.rows), named).one()))


@cache
def _restored_claims(decided: Subquery) -> Select[Any]:
    was = aliased(JobItem, name="was")
    of_original = and_(was.practice_id == OF_PRACTICE, was.job_id == _REVERSED_JOB, was.claim_id == decided.c.claim_id)
    changes: dict[str, Any] = {
        "billing_status": was.billing_status_before,
        "insurance_due": Claim.insurance_due + decided.c.insurance_cents,
        "patient_due": Claim.patient_due + decided.c.patient_cents,
    }
    return update_claims(decided, of_original, changes)
