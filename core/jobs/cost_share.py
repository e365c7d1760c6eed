"""What Medicare leaves to its patients: how much of it the practice writes off, and why this job does.

Waiving it as a routine is against the law (42 U.S.C. 1320a-7a(a)(5)); doing so for a reason that is written down, such
as a hardship that somebody looked into, is not. So the preview says the share of the last twelve months, and CONFIRM
asks for the reason.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.orm import Session, aliased

from core.claims.models import Claim
from core.counting import counted
from core.errors import BadInput
from core.jobs.keys import JobKey
from core.jobs.models import JobItem, JobKind, SettleJob, Verdict
from core.ledger.models import Posting, PostingKind, Responsibility
from core.money import format_cents
from core.policy import facts
from core.policy.facts import Facts
from core.practices.models import Payer, PayerClass
from core.reading import can_keep

RULE: Final = "medicare_cost_share"
MEDICARE: Final = (PayerClass.MEDICARE, PayerClass.DUAL)
_MAKES_PATIENT_OWE: Final = (PostingKind.CHARGE, PostingKind.TRANSFER, PostingKind.ADJUSTMENT)


class CostShareReasonMissing(BadInput):
    """Say why Medicare patients' own share is written off, in at most 500 characters: an auditor will ask."""

    code = "cost_share_reason_missing"
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


class CostShare(BaseModel):
    """The Medicare patient dollars of a job, and of the twelve months up to its day.

    All three sums are of claims whose primary payer is Medicare, or Medicare and Medicaid, and in the patient's
    responsibility, in cents. From `since` through `until`, both included, by posting date:

    `written_off_cents` is what was written off and not reversed since; `became_due_cents` is what became the patient's
    responsibility: charges to the patient and transfers to the patient, less transfers away and adjustments.
    """

    claims: int  # of the job
    job_cents: int  # what the job will write off
    since: dt.date
    until: dt.date
    written_off_cents: int
    became_due_cents: int

    def sentence(self, verb: str = "writes off") -> str:
        """What the job does to it, and the share of the twelve months."""
        of_job = f"this job {verb} {format_cents(self.job_cents)} of it on {counted(self.claims, 'claim')}"
        year = f"In the twelve months through {self.until:%m/%d/%Y}"
        cents, how = format_cents(self.written_off_cents), "was written off and not taken back"
        if self.percent is None:
            return f"{of_job}. {year}, nothing became due from Medicare patients, and {cents} {how}"
        share = "under 1" if self.percent == 0 and self.written_off_cents else f"{self.percent}"
        due = f"{format_cents(self.became_due_cents)} became due from Medicare patients"
        return f"{of_job}. {year}, {due}, and {cents}, {share} % of that, {how}"

    @property
    def percent(self) -> int | None:
        """The share written off in whole percent, rounded down; None where nothing became due."""
        if self.became_due_cents <= 0:
            return None
        return self.written_off_cents * 100 // self.became_due_cents


def of_job(session: Session, job: SettleJob) -> CostShare | None:
    """What the frozen job will write off of Medicare patients' share; None where it is nothing."""
    if job.kind is not JobKind.SETTLE:
        return None
    to_settle = (*JobKey(job.practice_id, job.id).of(JobItem), JobItem.verdict == Verdict.SETTLE)
    of_item = (Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    sums = select(func.count(), func.coalesce(func.sum(JobItem.patient_cents), 0))
    found = sums.where(*to_settle, JobItem.patient_cents > 0, *of_item, _is_medicare(session, job.practice_id))
    claims, cents = session.execute(found).one()
    if not cents:
        return None
    since = _year_before(job.as_of) + dt.timedelta(days=1)
    written_off, became_due = _of_year(session, job.practice_id, since=since, until=job.as_of)
    return CostShare(
        claims=claims, job_cents=int(cents), since=since, until=job.as_of, written_off_cents=written_off,
        became_due_cents=became_due,
    )  # fmt: skip


def frozen(job: SettleJob) -> CostShare | None:
    """What the preview said."""
    said = (job.preview or {}).get("cost_share")
    return CostShare.model_validate(said) if said else None


def take_reason(job: SettleJob, reason: str | None) -> None:
    """Keep why, where the job needs it; with None, what was said at the preview. Raises `CostShareReasonMissing`."""
    if frozen(job) is None:
        return
    said = (_said_before(job) if reason is None else reason).strip()
    if not can_keep(said):
        raise CostShareReasonMissing
    job.cost_share_reason = said


def _said_before(job: SettleJob) -> str:
    """The job's note, else the write-off's reason where the rules accept it for cost sharing."""
    is_accepted = job.reason is not None and job.reason in facts.COST_SHARE_REASONS
    return job.note if job.note.strip() or not is_accepted else str(job.reason).replace("_", " ")


def take_note(job: SettleJob) -> None:
    """Let a schedule's note be the reason of its job, where the job needs one."""
    if job.schedule_id is not None and frozen(job) is not None:
        job.cost_share_reason = job.note.strip()


def of_night(job: SettleJob, of_claim: Facts) -> Facts:
    """The facts as a schedule's job reads them: nobody can be asked, so its note is the reason or nothing is waived."""
    if job.schedule_id is None or job.note.strip():
        return of_claim
    return replace(of_claim, owes_medicare_cost_share=facts.is_cost_share())


def include_of(job: SettleJob) -> Collection[str]:
    """The rules that the job overrides: a schedule never this one."""
    return job.include if job.schedule_id is None else [code for code in job.include if code != RULE]


def _year_before(day: dt.date) -> dt.date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # February 29
        return day.replace(year=day.year - 1, day=28)


def _is_medicare(session: Session, practice_id: int) -> ColumnElement[bool]:
    # Values and no join: there are a few payers, and the database knows how many claims each has.
    payers = select(Payer.id).where(Payer.practice_id == practice_id, Payer.payer_class.in_(MEDICARE))
    return Claim.primary_payer_id.in_(session.scalars(payers).all())


def _of_year(session: Session, practice_id: int, *, since: dt.date, until: dt.date) -> tuple[int, int]:
    """What was written off, and what became due."""
    reversal = aliased(Posting, name="reversal")
    reversed_ = select(true()).where(
        reversal.practice_id == Posting.practice_id, reversal.reverses_id == Posting.id
    ).exists()  # fmt: skip
    is_write_off = Posting.kind == PostingKind.WRITE_OFF
    sums = select(
        func.coalesce(-func.sum(Posting.amount_cents).filter(is_write_off, ~reversed_), 0),
        func.coalesce(func.sum(Posting.amount_cents).filter(~is_write_off), 0),
    )
    in_year = and_(
        Posting.practice_id == practice_id,
        Posting.responsibility == Responsibility.PATIENT,
        Posting.posted_on.between(since, until),
        Posting.kind.in_((PostingKind.WRITE_OFF, *_MAKES_PATIENT_OWE)),
    )
    of_claim = (Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
    written_off, became_due = session.execute(sums.where(in_year, *of_claim, _is_medicare(session, practice_id))).one()
    return int(written_off), int(became_due)
