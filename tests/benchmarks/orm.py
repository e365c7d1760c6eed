"""Baselines: the same rules and postings, claim by claim, as typically written with an ORM.

`python -m celery -A tests.benchmarks.orm worker` is a worker that settles one claim for each message.
"""

import datetime as dt
import os
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from celery import Celery
from celery.signals import worker_process_init
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.engine import Sessions, make_engine, make_sessions, transaction
from core.enums.job_items import Outcome, Verdict
from core.enums.ledger import PostingKind, Responsibility
from core.jobs.keys import JobKey
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.settings import BROKER_TRANSPORT_OPTIONS

QUEUE = "one_by_one"
TASK = "benchmark.settle_one"

app = Celery("one_by_one", broker=os.environ.get("SETTLE_BROKER_URL"))
app.conf.update(
    broker_transport_options=BROKER_TRANSPORT_OPTIONS, task_ignore_result=True, task_default_queue=QUEUE,
    task_acks_late=False, worker_prefetch_multiplier=4,
)  # fmt: skip


@cache
def sessions() -> Sessions:
    """Return this process's session maker."""
    return make_sessions(make_engine(os.environ["SETTLE_DATABASE_URL"], pool_size=1))


@worker_process_init.connect
def leave_the_parents_connection(**_: object) -> None:
    """Discard the parent's connection, because a forked process must open its own."""
    sessions.cache_clear()


@app.task(name=TASK)
def settle_one(practice_id: int, job_id: int, position: int) -> None:
    """Settle one claim in its own transaction."""
    settle_positions(sessions(), JobKey(practice_id, job_id), position, position)


def settle_positions(sessions: Sessions, job_key: JobKey, first: int, last: int) -> None:
    """Settle the claims of these items in one transaction, with an object for each row."""
    with transaction(sessions) as session:
        job = session.get_one(SettleJob, job_key)
        items = session.scalars(
            select(JobItem)
            .where(*job_key.of(JobItem), JobItem.position.between(first, last))
            .order_by(JobItem.claim_id)
        ).all()
        _settle_items(session, job, [item for item in items if item.outcome is None])


def _settle_items(session: Session, job: SettleJob, items: list[JobItem]) -> None:
    ids = [item.claim_id for item in items if item.verdict is Verdict.SETTLE]
    of = job.practice_id
    locked = select(Claim).where(Claim.practice_id == of, Claim.id.in_(ids)).order_by(Claim.id)
    claims = {claim.id: claim for claim in session.scalars(locked.with_for_update(key_share=True, skip_locked=True))}
    lines, postings = defaultdict(list), defaultdict(list)
    for line in session.scalars(select(LineItem).where(LineItem.practice_id == of, LineItem.claim_id.in_(ids))):
        lines[line.claim_id].append(line)
    for posting in session.scalars(select(Posting).where(Posting.practice_id == of, Posting.claim_id.in_(ids))):
        postings[posting.claim_id].append(posting)
    for item in items:
        if item.verdict is Verdict.SKIP:
            item.outcome, item.code = Outcome.SKIPPED, item.verdict_code
        elif item.claim_id in claims:
            claim = claims[item.claim_id]
            _settle_item(session, job, item, claim, lines[claim.id], postings[claim.id])


def _settle_item(
    session: Session, job: SettleJob, item: JobItem, claim: Claim, lines: list[LineItem], postings: list[Posting]
) -> None:
    code = _verdict(item, claim, lines, postings)
    if code is not None:
        item.outcome, item.code = Outcome.SKIPPED, code
        return
    for line in lines:
        for side, chosen in (
            (Responsibility.INSURANCE, item.settles_insurance), (Responsibility.PATIENT, item.settles_patient)
        ):  # fmt: skip
            due = line.insurance_due if side is Responsibility.INSURANCE else line.patient_due
            if chosen and due > 0:
                session.add(_write_off(job, item, line, side, due))
        line.insurance_due = 0 if item.settles_insurance else line.insurance_due
        line.patient_due = 0 if item.settles_patient else line.patient_due
    claim.insurance_due -= item.insurance_cents
    claim.patient_due -= item.patient_cents
    claim.billing_status = job.target_status
    claim.version += 1
    item.outcome, item.code, item.version_after = Outcome.SETTLED, item.verdict_code, claim.version


def _write_off(job: SettleJob, item: JobItem, line: LineItem, side: Responsibility, due: int) -> Posting:
    return Posting(
        practice_id=job.practice_id, claim_id=item.claim_id, line=line.number, responsibility=side,
        kind=PostingKind.WRITE_OFF, amount_cents=-due, write_off_reason=job.reason, posted_on=job.posting_date,
        created_at=dt.datetime.now(dt.UTC), user_id=job.confirmed_by, job_id=job.id, claim_version=item.claim_version,
    )  # fmt: skip


def _verdict(item: JobItem, claim: Claim, lines: list[LineItem], postings: Iterable[Posting]) -> str | None:
    if claim.version != item.claim_version:
        return "changed_since_preview"
    owed: dict[tuple[int, Responsibility], int] = defaultdict(int)
    for posting in postings:
        owed[posting.line, posting.responsibility] += posting.amount_cents
    differs = any(
        (line.insurance_due, line.patient_due)
        != (owed[line.number, Responsibility.INSURANCE], owed[line.number, Responsibility.PATIENT])
        for line in lines
    )
    sums = (sum(line.insurance_due for line in lines), sum(line.patient_due for line in lines))
    return "balance_mismatch" if differs or sums != (claim.insurance_due, claim.patient_due) else None
