"""A job's name: a label that users choose to find the job again. It is no evidence, and it can change at any time."""

import datetime as dt
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotAllowed
from core.jobs import lifecycle, requesters
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.reading import checked_name

NAME_CHARACTERS_MAX: Final = 80  # fits in a line of the list of jobs
NO_PATIENT_NAME: Final = "Do not enter a patient's name."


class BadJobName(BadInput):
    """A job's name may have up to 80 characters, and only characters that can be printed."""


class NotYourJob(NotAllowed):
    """Only the job's requester or an administrator may change its name."""


def read(typed: str) -> str:
    """Return the name with single spaces. Raise `BadJobName`."""
    return checked_name(" ".join(typed.split()), BadJobName, most=NAME_CHARACTERS_MAX, least=0)


JobName = Annotated[
    str,
    AfterValidator(read),
    Field(description=f"A label, up to {NAME_CHARACTERS_MAX} characters; empty for none. {NO_PATIENT_NAME}"),
]


def may_rename(by: Actor, job: SettleJob) -> bool:
    """Return whether `by` may change the job's name: a requester or an administrator."""
    return by.user_id in requesters.requester_ids(job) or by.may(Action.RENAME_JOB)


def rename(session: Session, key: JobKey, *, name: str, by: Actor, now: dt.datetime) -> SettleJob:
    """Change the name of a job in any status. An empty name removes it. Raise `BadJobName` and `NotYourJob`."""
    job = lifecycle.lock_if_allowed(session, key, by, Action.SEE_CLAIMS)
    if not may_rename(by, job):
        raise NotYourJob
    set_name(session, job, name, by=by, now=now)
    return job


def set_name(session: Session, job: SettleJob, name: str, *, by: Actor, now: dt.datetime) -> None:
    """Set the locked job's name and record the act. The audit keeps no name, because users may enter anything."""
    chosen = read(name)
    if chosen == job.name:
        return
    audit.record(session, "job.renamed" if job.name else "job.named", job, by=by, now=now, named=bool(chosen))
    job.name = chosen
    session.flush()
