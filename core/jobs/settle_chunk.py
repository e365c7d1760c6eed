"""The effect: one transaction that settles a chunk's claims, each step a statement over sets.

Every read that decides comes in a statement after the locks. Locking and deciding in one was shown to
write off $1.00 where a payment had left $0.40.
"""

import datetime as dt
from dataclasses import replace
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.claims.models import Claim, LineItem
from core.jobs import chunks, codes
from core.jobs.chunks import BUSY_TRIES_MAX, Chunk, Counts
from core.jobs.models import JobItem, JobKind, JobStatus, Outcome, SettleJob, Verdict
from core.ledger import posting
from core.ledger.models import Posting, Responsibility
from core.policy import facts, rules
from core.policy.facts import Facts, Terms
from core.policy.rules import Moment

# Local to the transaction, so that they work behind PgBouncer too.
TIMEOUTS: Final = text(
    "SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '60s', true), "
    "set_config('idle_in_transaction_session_timeout', '30s', true), "
    # Else a server in a long statement does not notice that the worker has died, and keeps the claims locked.
    "set_config('client_connection_check_interval', '2s', true)"
)


class Done(NamedTuple):
    """What one transaction did: what it counted, and how many claims another hand held."""

    counts: Counts
    busy: int


def settle(session: Session, chunk: Chunk, *, now: dt.datetime) -> Done | None:
    """Settle what can be settled of `chunk`; None where it must be let go (not ours any more, or the job rests)."""
    session.execute(TIMEOUTS)
    if not chunks.lock(session, chunk):
        return None
    # Read after the lock and in a statement of its own: whoever pauses needs this chunk's lock to be done.
    job = session.get_one(SettleJob, chunk.job)
    if job.status is not JobStatus.RUNNING:
        chunks.give_back(session, chunk, not_before=None)
        return None
    wanted = _wanted(session, chunk)
    locked = _lock_claims(session, chunk, wanted)
    skipped = _skip_as_previewed(session, chunk)
    settled, changed = _judge(session, job, chunk, locked)
    written_off = _apply(session, job, chunk, settled, now=now)
    busy = len(wanted) - len(locked)
    gave_up = busy > 0 and chunk.busy_tries + 1 >= BUSY_TRIES_MAX
    failed = _fail_busy(session, chunk) if gave_up else 0
    counts = Counts(len(settled), skipped + changed, failed, **written_off)
    if busy and not gave_up:
        chunks.keep_open(session, chunk, counts, now=now)
    else:
        chunks.close(session, chunk, counts, now=now)
    return Done(counts, busy)


class BooksDiffer(Exception):
    """What was posted is not what the items promised; the transaction must not commit."""


def _wanted(session: Session, chunk: Chunk) -> list[int]:
    to_settle = select(JobItem.claim_id).where(
        chunk.items(), JobItem.outcome.is_(None), JobItem.verdict == Verdict.SETTLE
    )
    return list(session.scalars(to_settle))


def _lock_claims(session: Session, chunk: Chunk, wanted: list[int]) -> list[int]:
    """Lock what nobody else holds, in id order; give the ids."""
    # NO KEY: a plain FOR UPDATE would call a claim busy while anyone's foreign-key insert on it is open.
    free = (
        select(Claim.id)
        .where(Claim.practice_id == chunk.job.practice_id, _among(Claim.id, wanted))
        .order_by(Claim.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return list(session.scalars(free))


def _among(column: Any, ids: list[int]) -> Any:
    return column == func.any(cast(bindparam(None, ids, unique=True), ARRAY(BigInteger)))


def _skip_as_previewed(session: Session, chunk: Chunk) -> int:
    skipped = update(JobItem).where(chunk.items(), JobItem.outcome.is_(None), JobItem.verdict == Verdict.SKIP)
    return _count(session, skipped.values(outcome=Outcome.SKIPPED, code=JobItem.verdict_code))


def _fail_busy(session: Session, chunk: Chunk) -> int:
    busy = update(JobItem).where(chunk.items(), JobItem.outcome.is_(None))
    return _count(session, busy.values(outcome=Outcome.FAILED, code=codes.CLAIM_LOCKED))


def _count(session: Session, changed: Any) -> int:
    rows = changed.returning(JobItem.position)
    return len(session.scalars(rows, execution_options={"synchronize_session": False}).all())


def _judge(session: Session, job: SettleJob, chunk: Chunk, locked: list[int]) -> tuple[list[int], int]:
    """Give the locked claims their outcome by the rules of the run; the ids of the settled, the count of the skipped.

    A rule can only turn into a skip what the preview promised to settle.
    """
    if not locked:
        return [], 0
    books = _books(chunk.job.practice_id, locked)
    asked = rules.rules_at(Moment.RUN, kind=job.kind)
    code = rules.first_match(_run_facts(job, books), asked)
    judged = (
        select(Claim.id, Claim.version, code.label("code"))
        .select_from(facts.source())
        .join(JobItem, and_(*chunk.job.of(JobItem), JobItem.claim_id == Claim.id))
        .outerjoin(books, books.c.claim_id == Claim.id)
        .where(
            Claim.practice_id == chunk.job.practice_id,
            _among(Claim.id, locked),
            chunk.items(),
        )
        .subquery("judged")
    )
    settles = judged.c.code.is_(None)
    decided = (
        update(JobItem)
        .where(chunk.items(), JobItem.claim_id == judged.c.id)
        .values(
            outcome=case((settles, Outcome.SETTLED.value), else_=Outcome.SKIPPED.value),
            code=func.coalesce(judged.c.code, JobItem.verdict_code),
            version_after=case((settles, judged.c.version + 1)),
        )
        .returning(JobItem.claim_id, JobItem.outcome)
    )
    rows = session.execute(decided, execution_options={"synchronize_session": False}).all()
    settled = [claim_id for claim_id, outcome in rows if outcome is Outcome.SETTLED]
    return settled, len(rows) - len(settled)


def _run_facts(job: SettleJob, books: Subquery) -> Facts:
    terms = Terms(
        setting=job.setting,
        as_of=job.as_of,
        target_status=job.target_status,
        reason=job.reason,
    )
    mismatch = or_(
        func.coalesce(books.c.line_differs, False),
        Claim.insurance_due != func.coalesce(books.c.insurance_due, 0),
        Claim.patient_due != func.coalesce(books.c.patient_due, 0),
    )
    return replace(
        facts.of_claim(terms),
        changed_since_preview=Claim.version != JobItem.claim_version,
        balance_mismatch=mismatch,
    )


def _books(practice_id: int, claim_ids: list[int]) -> Subquery:
    """For each claim with lines: the sums of its lines, and whether a line differs from its postings."""
    owed = func.sum(Posting.amount_cents)
    ledger = (
        select(
            Posting.claim_id,
            Posting.line,
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.INSURANCE), 0).label("insurance_due"),
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.PATIENT), 0).label("patient_due"),
        )
        .where(Posting.practice_id == practice_id, _among(Posting.claim_id, claim_ids))
        .group_by(Posting.claim_id, Posting.line)
        .subquery("ledger")
    )
    of_line = and_(ledger.c.claim_id == LineItem.claim_id, ledger.c.line == LineItem.number)
    differs = or_(
        LineItem.insurance_due != func.coalesce(ledger.c.insurance_due, 0),
        LineItem.patient_due != func.coalesce(ledger.c.patient_due, 0),
    )
    return (
        select(
            LineItem.claim_id,
            func.sum(LineItem.insurance_due).label("insurance_due"),
            func.sum(LineItem.patient_due).label("patient_due"),
            func.bool_or(differs).label("line_differs"),
        )
        .select_from(LineItem)
        .outerjoin(ledger, of_line)
        .where(LineItem.practice_id == practice_id, _among(LineItem.claim_id, claim_ids))
        .group_by(LineItem.claim_id)
        .subquery("books")
    )


def _apply(
    session: Session,
    job: SettleJob,
    chunk: Chunk,
    settled: list[int],
    *,
    now: dt.datetime,
) -> dict[str, int]:
    """Post, clear the lines, move the claims; give the cents written off, which must be what the items promised."""
    if not settled:
        return {}
    decided = (
        select(
            JobItem.claim_id,
            JobItem.claim_version,
            JobItem.settles_insurance,
            JobItem.settles_patient,
        )
        .where(chunk.items(), _among(JobItem.claim_id, settled))
        .subquery("decided")
    )
    practice_id = chunk.job.practice_id
    written_off: dict[str, int] = {}
    if job.kind is JobKind.SETTLE:
        assert job.reason is not None
        posted = posting.write_off(
            session, decided, practice_id=practice_id, reason=job.reason, posted_on=job.posting_date,
            job_id=job.id, by=job.confirmed_by, now=now,
        )  # fmt: skip
        if posted != _promised(session, chunk, settled):
            raise BooksDiffer
        posting.clear_lines(session, decided, practice_id=practice_id)
        written_off = posted._asdict()
    posting.move_claims(session, decided, practice_id=practice_id, billing_status=job.target_status)
    return written_off


def _promised(session: Session, chunk: Chunk, settled: list[int]) -> tuple[int, int]:
    def promised(cents: InstrumentedAttribute[int]) -> Any:
        return func.coalesce(func.sum(cents), 0)

    sums = select(promised(JobItem.insurance_cents), promised(JobItem.patient_cents))
    insurance, patient = session.execute(sums.where(chunk.items(), _among(JobItem.claim_id, settled))).one()
    return int(insurance), int(patient)
