"""Commands on a schedule. Each locks it, checks the role and adds an entry to the audit log."""

import datetime as dt
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.permissions import Action, Actor
from core.enums.jobs import CONFIRMATION
from core.enums.schedules import ScheduleMode, ScheduleState
from core.errors import BadInput, Refusal, or_raise
from core.jobs.lifecycle import ConfirmationMismatch
from core.models.schedules import Schedule, ScheduleRun
from core.schedules import change_facts, descriptions, missed_runs, owner_check, runs, schedule_queries
from core.schedules.requests import ScheduleRequest
from core.schedules.schedule_queries import NoSuchSchedule

SCHEDULES_MAX: Final = 200  # for each practice
RUN_KEY_CHARACTERS_MAX: Final = 200


class StaleSchedule(Refusal):
    """Another user has changed this schedule. Reload it first."""


class ScheduleNameTaken(Refusal):
    """Another schedule already has this name. Choose a different name."""


class TooManySchedules(Refusal):
    """The practice has 200 schedules. Delete one that is no longer needed."""


class ScheduleIsStopped(Refusal):
    """This schedule has stopped. Resume it first."""

    code = "schedule_stopped"


class OwnerNotAllowed(Refusal):
    """The schedule's owner is no longer allowed to do this. Resume or change the schedule to become its owner."""

    code = "owner_may_not"


class BadRunKey(BadInput):
    """The run's key must be 1 to 200 characters. Repeating a key returns the same run."""

    http_status = HTTPStatus.BAD_REQUEST


def create(session: Session, request: ScheduleRequest, *, by: Actor, now: dt.datetime) -> Schedule:
    """Create a report-only schedule that starts with its next run. Raise `ScheduleNameTaken`, `TooManySchedules`."""
    by.require(Action.MANAGE_SCHEDULES)
    there = (Schedule.practice_id == by.practice_id, Schedule.deleted_at.is_(None))
    if session.scalars(select(func.count()).select_from(Schedule).where(*there)).one() >= SCHEDULES_MAX:
        raise TooManySchedules
    values = {
        "practice_id": by.practice_id,
        "mode": ScheduleMode.REPORT,
        "state": ScheduleState.ACTIVE,
        "owner_id": by.user_id,
        "active_since": now,
        "created_at": now,
        "created_by": by.user_id,
        "changed_at": now,
        "changed_by": by.user_id,
        **schedule_queries.columns(session, by.practice_id, request),
    }
    try:
        with session.begin_nested():
            schedule = session.scalars(insert(Schedule).values(values).returning(Schedule)).one()
    except IntegrityError as error:
        raise _refusal(error) from None
    audit.record(session, "schedule.made", schedule, by=by, now=now)
    return schedule


def change(
    session: Session,
    schedule_id: int,
    request: ScheduleRequest,
    *,
    version: int,
    by: Actor,
    now: dt.datetime,
    confirmation: str | None = None,
) -> Schedule:
    """Change the schedule, starting with its next run. The user becomes its owner. A run in progress does not change.

    A schedule that settles needs CONFIRM and verification again. Raise `ConfirmationMismatch`, `VerificationNeeded`,
    `StaleSchedule`, `ScheduleNameTaken`.
    """
    schedule = _lock_schedule(session, schedule_id, by, version=version)
    if schedule.mode is ScheduleMode.SETTLE:
        if confirmation != CONFIRMATION:
            raise ConfirmationMismatch
        by.require_verified()
    wanted = schedule_queries.columns(session, by.practice_id, request)
    facts = change_facts.of_change(schedule, wanted, request, by=by)
    if {"local_time", "weekdays"} & facts.keys():
        missed_runs.record_due_before_change(session, schedule, wanted, now=now)
    for name, value in wanted.items():
        setattr(schedule, name, value)
    try:
        with session.begin_nested():
            _touch(schedule, by, now, owner_id=by.user_id)
            session.flush()
    except IntegrityError as error:
        raise _refusal(error) from None
    audit.record(session, "schedule.changed", schedule, by=by, now=now, **facts)
    return schedule


def start_settling(
    session: Session, schedule_id: int, *, confirmation: str, version: int, by: Actor, now: dt.datetime
) -> Schedule:
    """Let the schedule settle, starting with its next run. The user becomes its owner.

    Raise `ConfirmationMismatch` and `VerificationNeeded`.
    """
    schedule = _lock_schedule(session, schedule_id, by, version=version)
    if confirmation != CONFIRMATION:
        raise ConfirmationMismatch
    by.require_verified()
    return _set_mode(session, schedule, ScheduleMode.SETTLE, by, now, owner_id=by.user_id)


def report_only(session: Session, schedule_id: int, *, version: int, by: Actor, now: dt.datetime) -> Schedule:
    """Return the schedule to report-only mode, starting with its next run."""
    schedule = _lock_schedule(session, schedule_id, by, version=version)
    return _set_mode(session, schedule, ScheduleMode.REPORT, by, now)


def _set_mode(
    session: Session, schedule: Schedule, mode: ScheduleMode, by: Actor, now: dt.datetime, **values: Any
) -> Schedule:
    if schedule.mode is not mode:
        _touch(schedule, by, now, mode=mode, **values)
        audit.record(session, "schedule.mode_changed", schedule, by=by, now=now, mode=mode.value)
    return schedule


def pause(session: Session, schedule_id: int, *, by: Actor, now: dt.datetime) -> Schedule:
    """Pause the schedule: its runs are skipped until it is resumed. Repeating changes nothing."""
    schedule = _lock_schedule(session, schedule_id, by)
    if schedule.state is not ScheduleState.PAUSED:
        missed_runs.record_due_before_end(session, schedule, descriptions.PAUSED, now=now)
        _touch(schedule, by, now, state=ScheduleState.PAUSED, stopped_because=None)
        audit.record(session, "schedule.paused", schedule, by=by, now=now)
    return schedule


def resume(session: Session, schedule_id: int, *, by: Actor, now: dt.datetime) -> Schedule:
    """Resume the schedule, starting with its next run.

    If the owner's account was deactivated or the role no longer allows it, this user becomes the owner.
    """
    schedule = _lock_schedule(session, schedule_id, by)
    if schedule.state is ScheduleState.ACTIVE:
        return schedule
    missed_runs.record_stop_once(session, schedule, now=now)
    if (
        owner_check.reason_owner_may_not(authorize.lock_users(session, [schedule.owner_id])[schedule.owner_id])
        is not None
    ):
        schedule.owner_id = by.user_id
    was = schedule.state
    _touch(schedule, by, now, state=ScheduleState.ACTIVE, stopped_because=None, active_since=now)
    audit.record(session, "schedule.resumed", schedule, by=by, now=now, was=was.value, owner=schedule.owner_id)
    return schedule


def delete(session: Session, schedule_id: int, *, by: Actor, now: dt.datetime) -> Schedule:
    """Delete the schedule. Its runs stay, and so do its jobs that are running or need approval."""
    schedule = _lock_schedule(session, schedule_id, by)
    missed_runs.record_due_before_end(session, schedule, descriptions.DELETED, now=now)
    _touch(schedule, by, now, deleted_at=now)
    audit.record(session, "schedule.deleted", schedule, by=by, now=now)
    return schedule


def run_now(
    session: Session, schedule_id: int, *, key: str, by: Actor, now: dt.datetime, version: int | None = None
) -> ScheduleRun:
    """Run the schedule now. The stricter limits of the caller and the owner apply; neither may approve the job.

    The same key returns the same run. The scheduled run still takes place. Raise `StaleSchedule`, `ScheduleIsStopped`,
    `OwnerNotAllowed`, `BadRunKey`, or what a preview of its filter raises.
    """
    schedule = _lock_schedule(session, schedule_id, by)
    if not 1 <= len(key) <= RUN_KEY_CHARACTERS_MAX or "\x00" in key:
        raise BadRunKey
    same = (
        ScheduleRun.practice_id == schedule.practice_id,
        ScheduleRun.schedule_id == schedule.id,
        ScheduleRun.run_key == key,
    )
    before = session.scalars(select(ScheduleRun).where(*same)).one_or_none()
    if before is not None:
        return before
    if version is not None and schedule.version != version:
        raise StaleSchedule  # the page may have shown report-only, and the schedule settles now
    if schedule.state is ScheduleState.STOPPED:
        raise ScheduleIsStopped(f"This schedule has stopped. {descriptions.describe_reason(schedule.stopped_because)}.")
    people = authorize.require_current_role(session, by, Action.MANAGE_SCHEDULES, besides=[schedule.owner_id])
    if owner_check.reason_owner_may_not(people[schedule.owner_id]) is not None:
        raise OwnerNotAllowed
    return runs.start_run_now(session, schedule, key=key, by=by, now=now)


def _lock_schedule(session: Session, schedule_id: int, by: Actor, *, version: int | None = None) -> Schedule:
    """Lock and return the schedule if `by` may change it. Wait for a tick that is running it."""
    by.require(Action.MANAGE_SCHEDULES)
    this = (Schedule.practice_id == by.practice_id, Schedule.id == schedule_id, Schedule.deleted_at.is_(None))
    locked = select(Schedule).where(*this).with_for_update(key_share=True)
    schedule = or_raise(session.scalars(locked.execution_options(populate_existing=True)).one_or_none(), NoSuchSchedule)
    if version is not None and schedule.version != version:
        raise StaleSchedule
    return schedule


def _touch(schedule: Schedule, by: Actor, now: dt.datetime, **values: Any) -> None:
    for name, value in values.items():
        setattr(schedule, name, value)
    schedule.version += 1
    schedule.changed_at, schedule.changed_by = now, by.user_id


def _refusal(error: IntegrityError) -> Exception:
    is_name = "schedule_name_is_unique" in str(getattr(error, "orig", ""))
    cure = "Another schedule already has this name. Choose a different name."
    return ScheduleNameTaken(faults={"name": cure}) if is_name else error
