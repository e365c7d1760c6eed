"""Whether a job over a limit runs without approval because its practice chose that one person works there."""

import datetime as dt
from collections.abc import Mapping

from pydantic import BaseModel
from sqlalchemy.orm import Session

from core.access import one_person
from core.access.one_person import OnePersonChoice
from core.enums.jobs import JobStatus
from core.models.jobs import SettleJob


class WithoutApproval(BaseModel):
    """Who chose, and when, that one person works in the practice, so that the job runs without approval."""

    chosen_by: str | None
    chosen_at: dt.datetime


def choice_for(
    session: Session, job: SettleJob, *, confirmer: int, lock: bool = False, now: dt.datetime
) -> OnePersonChoice | None:
    """Return the choice by which the job runs without approval if this user confirms it now, or None.

    The user must have made the choice. A scheduled run needs approval, because no user reads its preview. `lock` keeps
    the choice until commit.
    """
    if job.schedule_id is not None:
        return None
    return one_person.choice_for(session, job.practice_id, confirmer, lock=lock, now=now)


def choice_now(
    session: Session, job: SettleJob, *, confirmer: int, exceeds: bool, now: dt.datetime
) -> OnePersonChoice | None:
    """Return the choice by which the job ran, or before CONFIRM would run, without approval."""
    if job.status is JobStatus.PREVIEWED:
        return choice_for(session, job, confirmer=confirmer, now=now) if exceeds else None
    return recorded_choice(job)


def recorded_choice(job: SettleJob) -> OnePersonChoice | None:
    """Return the choice by which the job ran without approval, or None."""
    if job.without_approval_chosen_by is None or job.without_approval_chosen_at is None:
        return None
    return OnePersonChoice(job.without_approval_chosen_by, job.without_approval_chosen_at)


def describe(choice: OnePersonChoice | None, names: Mapping[int, str]) -> WithoutApproval | None:
    """Return the choice with the user's name."""
    return WithoutApproval(chosen_by=names.get(choice.by), chosen_at=choice.at) if choice else None
