"""Estimate what a schedule's next run would settle, with the preview's rules and without writing anything."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import calendar_months
from core.access.permissions import Action, Actor
from core.db import timeouts
from core.db.transient import QUERY_CANCELED, sqlstate
from core.enums.claims import SETTLED
from core.enums.job_items import Verdict
from core.enums.jobs import JobKind
from core.errors import Refusal
from core.jobs.approval import limits
from core.jobs.approval.limits import Limits
from core.jobs.preview import cost_share, create_preview, preview_items
from core.jobs.preview.job_request import Matching
from core.models.jobs import SettleJob
from core.models.practices import Practice
from core.models.schedules import Schedule
from core.policy import terms
from core.practices import periods, practice_days, reasons, write_off_setting
from core.schedules import run_times, schedule_queries
from core.schedules.requests import ScheduleRequest

ESTIMATE_SECONDS: Final = 10  # a user waits for it


class EstimateTooSlow(Refusal):
    """The estimate is taking too long. A run in report-only mode gives the same figures."""

    code = "tonight_too_slow"


@dataclass(frozen=True)
class RunEstimate:
    """An estimate of the next run. Cents are positive."""

    claims: int
    will_settle: int
    insurance_cents: int
    patient_cents: int
    by_code: list[tuple[str, int]]  # claims skipped, or with a status change only: code and number, largest first
    over: list[str]  # codes of exceeded caps and limits; with any, the job would need approval
    as_of: dt.date  # the run date
    notes: list[str]  # sentences to read before the figures

    @property
    def skipped(self) -> int:
        """Return the number of claims that a rule skips."""
        return self.claims - self.will_settle


def estimate_next_run(session: Session, schedule: Schedule, *, now: dt.datetime) -> RunEstimate:
    """Estimate the schedule's next run, or a run today if there is none.

    Raise `EstimateTooSlow`, and `SettingNotChosen` because the run would be refused.
    """
    practice = session.get_one(Practice, schedule.practice_id)
    write_off_setting.require_chosen(practice)
    coming = run_times.next_due(schedule, ZoneInfo(practice.time_zone), now)
    as_of, begins = coming or (practice_days.today(practice, now=now), now)
    timeouts.set_timeouts(session, statement_seconds=ESTIMATE_SECONDS)
    try:
        return _estimate(session, practice, schedule, as_of, begins)
    except OperationalError as error:
        if sqlstate(error) == QUERY_CANCELED:
            raise EstimateTooSlow from None
        raise


def estimate_request(session: Session, request: ScheduleRequest, *, by: Actor, now: dt.datetime) -> RunEstimate:
    """Estimate the requested schedule as if `by` owned it. Raise `BadSchedule` and what `estimate_next_run` raises."""
    by.require(Action.MANAGE_SCHEDULES)
    columns = schedule_queries.columns(session, by.practice_id, request)
    # Never added to the session.
    made = Schedule(practice_id=by.practice_id, id=0, owner_id=by.user_id, active_since=now, **columns)
    return estimate_next_run(session, made, now=now)


def _estimate(
    session: Session, practice: Practice, schedule: Schedule, as_of: dt.date, begins: dt.datetime
) -> RunEstimate:
    job = _unsaved_job(session, practice, schedule, as_of, begins)
    selected = Matching(filter=schedule.filter)
    judged = preview_items.verdicts(job, selected, terms=create_preview.rule_terms(session, job)).c
    cents = judged.insurance_cents + judged.patient_cents
    groups = session.execute(
        select(
            judged.verdict,
            judged.verdict_code,
            func.count().label("claims"),
            func.sum(judged.insurance_cents).label("insurance_cents"),
            func.sum(judged.patient_cents).label("patient_cents"),
            func.max(cents).label("largest_cents"),
        )
        .group_by(judged.verdict, judged.verdict_code)
        .order_by(func.count().desc(), judged.verdict_code)
    ).all()
    settles = [group for group in groups if group.verdict == Verdict.SETTLE.value]
    sums = {
        "will_settle": sum(group.claims for group in settles),
        "insurance_cents": sum(int(group.insurance_cents) for group in settles),
        "patient_cents": sum(int(group.patient_cents) for group in settles),
    }
    job.preview = sums
    codes = [group.verdict_code for group in groups]
    return RunEstimate(
        claims=sum(group.claims for group in groups),
        **sums,
        by_code=[(group.verdict_code, group.claims) for group in groups if group.verdict_code],
        over=[
            *_exceeded_claim_limits(job.limits, settles),
            *(one["code"] for one in limits.exceeded(session, job, by=job.requested_by, now=begins)),
        ],
        as_of=as_of,
        notes=_notes(session, job, codes),
    )


def _notes(session: Session, job: SettleJob, codes: Sequence[str | None]) -> list[str]:
    notes = []
    if calendar_months.month_of(job.as_of) in periods.closed_months(session, job.practice_id):
        month = calendar_months.format_long(job.as_of)
        notes.append(f"{month} is closed. The run will settle nothing unless an administrator reopens the month.")
    if cost_share.NOTE_RULE in codes:
        missing = "has a note that only repeats the reason" if job.note.strip() else "has no note"
        notes.append(
            f"This schedule {missing}, so it skips Medicare and Medicaid cost sharing. Add a note with the reason in "
            "your own words."
        )
    return notes


def _exceeded_claim_limits(limits_: Limits, settles: Sequence[Row[Any]]) -> list[str]:
    """Return the per-claim limits that the largest claim exceeds, checked in the same way as a job's items."""
    largest = max((int(group.largest_cents) for group in settles), default=0)
    return [code for code, name in limits.PER_CLAIM_LIMITS.items() if largest > limits_[name]]


def _unsaved_job(
    session: Session, practice: Practice, schedule: Schedule, as_of: dt.date, begins: dt.datetime
) -> SettleJob:
    """Return the job that the run would create. It is never added to the session."""
    of_owner = limits.for_users(session, practice, [schedule.owner_id], now=begins)
    return SettleJob(
        practice_id=practice.id,
        id=0,
        kind=JobKind.SETTLE,
        target_status=SETTLED,
        reason=schedule.reason,
        practice_reason=reasons.frozen(reasons.find(session, practice.id, schedule.reason_code)),
        note=schedule.note,
        overridden_rules=[],
        setting=practice.write_off,
        rule_values=terms.numbers_of(practice),
        limits={**of_owner, "cap_claims": schedule.claims_max, "cap_cents": schedule.cents_max},
        as_of=as_of,
        requested_by=schedule.owner_id,
        schedule_id=schedule.id,
        run_date=as_of,
    )
