"""Medicare and Medicaid cost sharing: how much of it the practice writes off, and the reason for this job.

Routinely waiving cost sharing can violate federal law (42 U.S.C. 1320a-7a(a)(5)). The law allows waivers that are not
advertised or routine, after an individual determination of financial need or after reasonable collection efforts. So
the preview shows the last twelve months. CONFIRM requires a reason, which documents the decision. A reason always comes
from a user: at CONFIRM, or as the note of a schedule that settles.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Row, and_, func, literal, select, true
from sqlalchemy.orm import Session, aliased

from core.counting import counted
from core.enums.jobs import JobKind
from core.enums.ledger import PostingKind, Responsibility, WriteOffReason
from core.enums.practices import PayerClass
from core.errors import BadInput
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.practices import Payer
from core.money import format_cents
from core.policy import facts
from core.policy.facts import Facts
from core.reading import is_valid_note

NOTE_RULE: Final = "cost_share_note"
NOT_RECORDED: Final = "not recorded"  # shown where an earlier version filled in the reason
_WITHOUT_MEDICAID: Final = (PayerClass.MEDICARE, PayerClass.DUAL)  # the classes that an earlier version included
_MAKES_PATIENT_OWE: Final = (PostingKind.CHARGE, PostingKind.TRANSFER, PostingKind.ADJUSTMENT)


class CostShareReasonMissing(BadInput):
    """State the reason for writing off Medicare or Medicaid cost sharing, in at most 500 characters."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


class CostShareReasonRepeats(CostShareReasonMissing):
    """Give the reason in your own words. This only repeats the name of the write-off reason."""


class CostShare(BaseModel):
    """The cost sharing that a job writes off, and the practice's totals for the twelve months ending on the job's date.

    All sums are in cents and cover the patient's responsibility on claims whose primary payer is Medicare, Medicaid or
    both. They cover posting dates from `since` through `until`, inclusive. `written_off_cents` was written off and
    not reversed. `became_due_cents` is charges and transfers to the patient, less transfers away and adjustments.
    """

    claims: int  # of this job
    job_cents: int  # what the job will write off
    since: dt.date
    until: dt.date
    written_off_cents: int
    became_due_cents: int
    includes_medicaid: bool = False  # False: frozen by an earlier version, which left out claims with Medicaid only

    @property
    def name(self) -> str:
        """Return the name of the cost sharing, such as "Medicare cost sharing"."""
        return f"{self.payers} cost sharing"

    @property
    def payers(self) -> str:
        """Return which primary insurances count."""
        return "Medicare or Medicaid" if self.includes_medicaid else "Medicare"

    def sentence(self, verb: str = "writes off") -> str:
        """Say what the job writes off, and the share written off in the twelve months before it.

        The twelve months are frozen by the preview, so they never include the job itself.
        """
        of_job = f"This job {verb} {format_cents(self.job_cents)} of {self.name} on {counted(self.claims, 'claim')}"
        year, wrote_off = f"Over the 12 months through {self.until:%m/%d/%Y}", format_cents(self.written_off_cents)
        if self.percent is None:
            none = f"no {self.name} became patient responsibility"
            return f"{of_job}. {year}, {none}. Your practice had already written off {wrote_off} in those months"
        share = "under 1" if self.percent == 0 and self.written_off_cents else f"{self.percent}"
        became_due = f"{format_cents(self.became_due_cents)} in {self.name} became patient responsibility"
        before = f"Your practice had already written off {wrote_off} ({share}% of that amount) in those months"
        return f"{of_job}. {year}, {became_due}. {before}"

    @property
    def percent(self) -> int | None:
        """Return the share written off as a whole percentage, rounded down, or None if nothing became due."""
        if self.became_due_cents <= 0:
            return None
        return self.written_off_cents * 100 // self.became_due_cents


def total_for_job(session: Session, job: SettleJob, payers: Iterable[Row[Any]]) -> CostShare | None:
    """Add up the cost sharing that the frozen job will write off. Return None if there is none.

    `payers` are the rows of `groups.GroupRows`.
    """
    claims, cents = _sums(payers, facts.COST_SHARE_CLASSES)
    if job.kind is not JobKind.SETTLE or not cents:
        return None
    is_shared = _is_primary(session, job.practice_id, facts.COST_SHARE_CLASSES)
    since = _year_before(job.as_of) + dt.timedelta(days=1)
    written_off, became_due = _twelve_month_sums(session, job.practice_id, is_shared, since=since, until=job.as_of)
    return CostShare(
        claims=claims, job_cents=cents, since=since, until=job.as_of, written_off_cents=written_off,
        became_due_cents=became_due, includes_medicaid=True,
    )  # fmt: skip


def written_off_by_job(job: SettleJob, payers: Iterable[Row[Any]]) -> CostShare | None:
    """Return what the ended job wrote off, with the frozen twelve months, or None if it wrote off none.

    `payers` are the rows of `groups.GroupRows` for the settled claims.
    """
    share = as_previewed(job)
    if share is None:
        return None
    classes = facts.COST_SHARE_CLASSES if share.includes_medicaid else _WITHOUT_MEDICAID
    claims, cents = _sums(payers, classes)
    return share.model_copy(update={"claims": claims, "job_cents": cents}) if cents else None


def as_previewed(job: SettleJob) -> CostShare | None:
    """Return what the preview showed."""
    shown = (job.preview or {}).get("cost_share")
    return CostShare.model_validate(shown) if shown else None


def set_reason(job: SettleJob, reason: str) -> None:
    """Record the reason given at CONFIRM if the job needs one. Raise what `reason_fault` returns."""
    if refused := reason_fault(job, reason):
        raise refused
    if as_previewed(job) is not None:
        job.cost_share_reason = reason.strip()


def reason_fault(job: SettleJob, reason: str) -> CostShareReasonMissing | None:
    """Return what is wrong with the reason given at CONFIRM, or None, also for a job that needs none.

    A reason must be in the user's own words.
    """
    if as_previewed(job) is None:
        return None
    if not is_valid_note(reason.strip()):
        refused = CostShareReasonMissing()
    elif not is_in_own_words(job, reason.strip()):
        refused = CostShareReasonRepeats()
    else:
        return None
    refused.facts["faults"] = {"cost_share_reason": refused.message}
    return refused


def is_in_own_words(job: SettleJob, text: str) -> bool:
    """Return whether the text is a reason to waive cost sharing.

    Charity alone is a reason. A small balance or bad debt alone is not, so the text must say more than the write-off
    reason.
    """
    if job.reason is WriteOffReason.CHARITY:
        return bool(text.strip())
    names = (job.reason_name, job.reason_code, job.reason)
    return bool(_bare(text)) and _bare(text) not in {_bare(name) for name in names if name}


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def reason_of(job: SettleJob) -> str:
    """Return the reason that a user gave, or `NOT_RECORDED`. It is empty if the job needs none or has none yet.

    Without a reason, an earlier version filled in the job's note or the write-off reason.
    """
    share = as_previewed(job)
    if share is None or share.includes_medicaid or job.schedule_id is not None:
        return job.cost_share_reason
    filled_in = {job.note.strip(), str(job.reason).replace("_", " ")}
    return NOT_RECORDED if job.cost_share_reason in filled_in - {""} else job.cost_share_reason


def use_schedule_note(job: SettleJob) -> None:
    """Record a schedule's note as the reason of its job, if the job needs one."""
    if job.schedule_id is not None and as_previewed(job) is not None:  # then the note is in the user's own words
        job.cost_share_reason = job.note.strip()


def facts_for_schedule(job: SettleJob, of_claim: Facts) -> Facts:
    """Return the facts for a scheduled run. Without a note that gives a reason, the run waives no cost sharing."""
    if job.schedule_id is None or is_in_own_words(job, job.note):
        return of_claim
    note = "only repeats the reason" if job.note.strip() else "none"
    is_missing = {**of_claim.values, "schedule_note": literal(note)}
    return replace(of_claim, lacks_cost_share_note=facts.is_cost_share(), values=is_missing)


def _year_before(day: dt.date) -> dt.date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # February 29
        return day.replace(year=day.year - 1, day=28)


def _is_primary(session: Session, practice_id: int, classes: Collection[PayerClass]) -> ColumnElement[bool]:
    # Pass the ids as values instead of a join: there are few payers, and PostgreSQL knows how many claims each has.
    payers = select(Payer.id).where(Payer.practice_id == practice_id, Payer.payer_class.in_(classes))
    return Claim.primary_payer_id.in_(session.scalars(payers).all())


def _sums(payers: Iterable[Row[Any]], classes: Collection[PayerClass]) -> tuple[int, int]:
    """Return the number of claims and the patient cents of the payers of these classes."""
    shared = [row for row in payers if row.payer_class in classes]
    return sum(row.patient_claims for row in shared), sum(int(row.patient_cents) for row in shared)


def _twelve_month_sums(
    session: Session, practice_id: int, is_shared: ColumnElement[bool], *, since: dt.date, until: dt.date
) -> tuple[int, int]:
    """Return the cents written off and the cents that became due."""
    reversal = aliased(Posting, name="reversal")
    reversed_ = select(true()).where(
        reversal.practice_id == Posting.practice_id, reversal.reverses_id == Posting.id
    ).exists()  # fmt: skip
    is_write_off = Posting.kind == PostingKind.WRITE_OFF
    sums = select(
        func.coalesce(-func.sum(Posting.amount_cents).filter(is_write_off, ~reversed_), 0),
        func.coalesce(func.sum(Posting.amount_cents).filter(~is_write_off, ~reversed_), 0),
    )
    in_year = and_(
        Posting.practice_id == practice_id,
        Posting.responsibility == Responsibility.PATIENT,
        Posting.posted_on.between(since, until),
        Posting.kind.in_((PostingKind.WRITE_OFF, *_MAKES_PATIENT_OWE)),
    )
    of_claim = (Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
    written_off_, became_due = session.execute(sums.where(in_year, *of_claim, is_shared)).one()
    return int(written_off_), int(became_due)
