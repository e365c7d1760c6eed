"""The outcome of each claim in a job, in pages."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, select, true
from sqlalchemy.orm import Session

from core.enums.job_items import ChunkState, Outcome, Verdict
from core.jobs import codes
from core.jobs.keys import JobKey
from core.jobs.results import try_again
from core.jobs.results.item_groups import ALL_CLAIMS, ItemGroup
from core.jobs.results.try_again import NotSettled, TryAgain, Way
from core.models.claims import Claim
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import SettleJob
from core.models.practices import Patient

FETCHED_CLAIMS: Final = 500  # at once, because other threads wait while the driver reads them


class ItemsOf(StrEnum):
    """Which items to return."""

    SETTLED = "settled"
    SKIPPED = "skipped"
    FAILED = "failed"
    REMAINING = "remaining"


@dataclass(frozen=True)
class ItemRow:
    """One claim in a job. Cents are positive."""

    position: int
    claim_id: str
    patient_name: str
    service_date: dt.date
    service_time: dt.time | None
    insurance_cents: int  # as previewed
    patient_cents: int
    insurance_due: int  # current balance
    patient_due: int
    verdict: Verdict
    verdict_code: str | None
    outcome: Outcome | None
    code: str | None
    why: dict[str, Any] | None  # the facts that the rule used
    again: TryAgain | None = None  # for a claim that failed or was skipped, if asked

    @property
    def retryable(self) -> bool:
        """Return whether `retry_failed` would retry the claim now."""
        return self.try_again is Way.RETRY

    @property
    def try_again(self) -> Way | None:
        """Return how a claim that failed or was skipped can be tried again, or None."""
        return self.again.way if self.again else None

    @property
    def try_again_words(self) -> str | None:
        """Return the same as a sentence."""
        return self.again.words if self.again else None

    @property
    def words(self) -> str | None:
        """Return the reason as a sentence, or None for an ordinary settlement."""
        code = self.code if self.outcome else self.verdict_code
        return codes.describe(code) if code else None


@dataclass(frozen=True)
class CodeGroup:
    """The number of claims in a job with the same outcome and code."""

    outcome: Outcome
    code: str
    claims: int


def by_code(session: Session, key: JobKey) -> list[CodeGroup]:
    """Count the job's claims by outcome and code, the largest group first, without ordinary write-offs.

    It reads every item, so call it only for a job that is not in progress.
    """
    counted = func.count().label("claims")
    coded = (*key.of(JobItem), JobItem.outcome.is_not(None), JobItem.code.is_not(None))
    groups = select(JobItem.outcome, JobItem.code, counted).where(*coded).group_by(JobItem.outcome, JobItem.code)
    rows = session.execute(groups.order_by(counted.desc(), JobItem.code))
    return [CodeGroup(outcome, code, claims) for outcome, code, claims in rows if outcome and code]


def items(
    session: Session,
    key: JobKey,
    *,
    outcome: ItemsOf | str | None = None,
    verdict: Verdict | str | None = None,
    code: str | None = None,
    where: ColumnElement[bool] | None = None,
    group: ItemGroup = ALL_CLAIMS,
    after_position: int = 0,
    limit: int = 50,
    again_at: dt.datetime | None = None,
) -> list[ItemRow]:
    """Return a page of the job's items after a position, in order. All conditions given apply.

    With `again_at`, say of each claim that failed or was skipped whether it can be tried again at that time.
    """
    conditions = [one for one in (where, group.where) if one is not None]
    if verdict is not None:
        conditions.append(JobItem.verdict == Verdict(verdict))
    if code is not None:
        conditions.append(func.coalesce(JobItem.code, JobItem.verdict_code) == code)
    page = _page(
        key,
        ItemsOf(outcome) if outcome else None,
        conditions,
        after=after_position,
        limit=limit,
    )
    rows = [ItemRow(**row._mapping) for row in session.execute(_named(key, page))]
    return rows if again_at is None else _with_try_again(session, key, rows, now=again_at)


def stream(session: Session, key: JobKey, outcome: ItemsOf, *columns: Any) -> Iterator[Sequence[Any]]:
    """Yield (number, patient, date of service, *columns) of each claim with the outcome, in order.

    The columns are those of `Claim` and `JobItem`. The server keeps the rows until they are read.
    """
    rows = (
        select(Claim.external_id, Patient.name, Claim.service_date, *columns)
        .join_from(JobItem, Claim, and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id))
        .join(Patient, and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id))
        .where(*key.of(JobItem), _has(outcome))
        .order_by(JobItem.position)
    )
    for page in session.execute(rows, execution_options={"yield_per": FETCHED_CLAIMS}).partitions():
        yield from page


def _with_try_again(session: Session, key: JobKey, rows: list[ItemRow], *, now: dt.datetime) -> list[ItemRow]:
    not_settled = [
        NotSettled(row.position, row.claim_id, row.outcome, row.code)
        for row in rows
        if row.outcome in (Outcome.FAILED, Outcome.SKIPPED)
    ]
    if not not_settled:
        return rows
    again = try_again.for_claims(session, session.get_one(SettleJob, key), not_settled, now=now)
    return [replace(row, again=again.get(row.position)) for row in rows]


def _page(
    key: JobKey,
    outcome: ItemsOf | None,
    conditions: list[ColumnElement[bool]],
    *,
    after: int,
    limit: int,
) -> Subquery:
    columns = [
        JobItem.position, JobItem.claim_id, JobItem.insurance_cents, JobItem.patient_cents, JobItem.verdict,
        JobItem.verdict_code, JobItem.outcome, JobItem.code, JobItem.why,
    ]  # fmt: skip
    wanted = select(*columns).where(*key.of(JobItem), JobItem.position > after, *conditions)
    if outcome is None:
        return wanted.order_by(JobItem.position).limit(limit).subquery("page")
    # Outcomes have no index, so find the chunks whose counters include some and read their ranges in order.
    chunks = _chunks_with(key, outcome, after)
    within = JobItem.position.between(chunks.c.first_position, chunks.c.last_position)
    item = wanted.where(within, _has(outcome)).lateral("item")
    rows = select(item).select_from(chunks).join(item, true())
    return rows.order_by(chunks.c.first_position, item.c.position).limit(limit).subquery("page")


def _chunks_with(key: JobKey, outcome: ItemsOf, after: int) -> Subquery:
    counted = JobChunk.state == ChunkState.OPEN if outcome is ItemsOf.REMAINING else getattr(JobChunk, outcome) > 0
    of_job = select(JobChunk.first_position, JobChunk.last_position).where(*key.of(JobChunk))
    return of_job.where(counted, JobChunk.last_position > after).subquery("chunks")


def _has(outcome: ItemsOf) -> ColumnElement[bool]:
    return JobItem.outcome.is_(None) if outcome is ItemsOf.REMAINING else JobItem.outcome == Outcome(outcome.value)


def _named(key: JobKey, page: Any) -> Select[Any]:
    return (
        select(
            page.c.position,
            Claim.external_id.label("claim_id"),
            Patient.name.label("patient_name"),
            Claim.service_date,
            Claim.service_time,
            page.c.insurance_cents,
            page.c.patient_cents,
            Claim.insurance_due,
            Claim.patient_due,
            page.c.verdict,
            page.c.verdict_code,
            page.c.outcome,
            page.c.code,
            page.c.why,
        )
        .join_from(
            page,
            Claim,
            and_(Claim.practice_id == key.practice_id, Claim.id == page.c.claim_id),
        )
        .join(
            Patient,
            and_(Patient.practice_id == key.practice_id, Patient.id == Claim.patient_id),
        )
        .order_by(page.c.position)
    )
