"""Schedules: rules that create a job at a set local time. A schedule only reports until settling is turned on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from flask import url_for
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.db.engine import transaction
from core.jobs import codes, job_queries
from core.models.schedules import Schedule
from core.money import limit_as_json
from core.practices.practice_queries import find
from core.schedules import descriptions, estimates, schedule_commands, schedule_queries
from core.schedules.requests import ScheduleRequest
from core.schedules.schedule_queries import NoSuchSchedule
from webui.api.blueprint import SCHEDULES, Reply, api
from webui.api.request_parsing import Body, IdPath, OnceHeaders, Parameters
from webui.api.schedule_models import ScheduleAnswer, ScheduleRunAnswer, Schedules, TonightAnswer
from webui.api.schedule_runs import code_counts, run_answer
from webui.schedules import schedule_labels
from webui.schedules.schedule_actions import hint_workers_of_run
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

Version = Annotated[int, Field(ge=1, strict=True, description="The schedule's version that you last read")]


class SchedulePath(IdPath):
    """The schedule's ID."""

    missing = NoSuchSchedule
    schedule_id: str


class ScheduleChange(ScheduleRequest):
    """The complete changed schedule, in effect from its next run."""

    version: Version
    confirmation: Annotated[str | None, Field(description="CONFIRM, if the schedule settles")] = None

    def request(self) -> ScheduleRequest:
        """Return the schedule alone."""
        return ScheduleRequest.model_validate(self.model_dump(exclude={"version", "confirmation"}))


class OfVersion(Body):
    """The version of the schedule that you last read."""

    version: Version


class IfVersion(Parameters):
    """The version of the schedule that you last read, if it matters."""

    version: Annotated[
        Annotated[int, Field(ge=1), BeforeValidator(reading.whole_number("enter a schedule's version"))] | None,
        Field(description="The schedule's version that you last read; nothing runs if another user changed it"),
    ] = None


class LetSettle(OfVersion):
    """The confirmation that turns on settling."""

    confirmation: Annotated[str, Field(description="CONFIRM, in capitals")] = ""


@api.get("/schedules", needs=Action.SEE_CLAIMS, tag=SCHEDULES)
def list_schedules(session: Session) -> Schedules:
    """List the practice's schedules, by name."""
    found = schedule_queries.list_schedules(session, current_actor().practice_id)
    return Schedules(schedules=_answers(session, found))


@api.post("/schedules", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES, status=201, problems=[409])
def make_schedule(body: ScheduleRequest, session: Session) -> Reply[ScheduleAnswer]:
    """Create a schedule. It only reports what it would settle until POST …/settle turns on settling."""
    schedule = schedule_commands.create(session, body, by=current_actor(), now=now())
    location = url_for("api.show_schedule", schedule_id=schedule.id)
    return Reply(_answer(session, schedule), {"Location": location})


@api.get("/schedules/<schedule_id>", needs=Action.SEE_CLAIMS, tag=SCHEDULES)
def show_schedule(path: SchedulePath, session: Session) -> ScheduleAnswer:
    """Show one schedule."""
    return _answer(session, schedule_queries.find(session, current_actor().practice_id, path.id))


@api.put("/schedules/<schedule_id>", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES, problems=[409])
def change_schedule(path: SchedulePath, body: ScheduleChange) -> ScheduleAnswer:
    """Change a schedule, starting with its next run, if its version still matches. You become its owner."""
    needs = {"version": body.version, "confirmation": body.confirmation}
    return _run_command(schedule_commands.change, path.id, body.request(), **needs)


@api.delete("/schedules/<schedule_id>", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES)
def delete_schedule(path: SchedulePath, session: Session) -> None:
    """Delete a schedule. It won't run again; its past runs are kept."""
    schedule_commands.delete(session, path.id, by=current_actor(), now=now())


@api.post("/schedules/<schedule_id>/pause", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES)
def pause_schedule(path: SchedulePath) -> ScheduleAnswer:
    """Pause a schedule. It won't run until it is resumed. A second call changes nothing."""
    return _run_command(schedule_commands.pause, path.id)


@api.post("/schedules/<schedule_id>/resume", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES)
def resume_schedule(path: SchedulePath) -> ScheduleAnswer:
    """Resume a paused or stopped schedule. If it was stopped, you become its owner."""
    return _run_command(schedule_commands.resume, path.id)


@api.post("/schedules/<schedule_id>/settle", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES, problems=[409])
def let_schedule_settle(path: SchedulePath, body: LetSettle) -> ScheduleAnswer:
    """Turn on settling, starting with the next run. This needs CONFIRM, and you become the owner."""
    needs = {"version": body.version, "confirmation": body.confirmation}
    return _run_command(schedule_commands.start_settling, path.id, **needs)


@api.post("/schedules/<schedule_id>/report-only", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES, problems=[409])
def let_schedule_report(path: SchedulePath, body: OfVersion) -> ScheduleAnswer:
    """Switch a schedule to report only, starting with its next run."""
    return _run_command(schedule_commands.report_only, path.id, version=body.version)


@api.post("/schedules/<schedule_id>/run-now", needs=Action.MANAGE_SCHEDULES, tag=SCHEDULES, status=201, problems=[409])
def run_schedule_now(path: SchedulePath, query: IfVersion, header: OnceHeaders) -> Reply[ScheduleRunAnswer]:
    """Run a schedule now, in addition to its scheduled runs. The same key gives the same run."""
    with transaction(app_context().sessions) as session:
        by, key = current_actor(), header.idempotency_key
        run = schedule_commands.run_now(session, path.id, key=key, version=query.version, by=by, now=now())
        answer = run_answer(session, run)
    hint_workers_of_run(run)
    return Reply(answer, {"Location": url_for("api.show_run", run_id=run.id)})


@api.get("/schedules/<schedule_id>/tonight", needs=Action.SEE_CLAIMS, tag=SCHEDULES, problems=[409])
def show_tonight(path: SchedulePath, session: Session) -> TonightAnswer:
    """Estimate what a schedule would settle in its next run, based on current claims and settings."""
    schedule = schedule_queries.find(session, current_actor().practice_id, path.id)
    found = estimates.estimate_next_run(session, schedule, now=now())
    over_words = [codes.describe(code) for code in found.over]
    by_code = code_counts(found.by_code)
    return TonightAnswer(**{**vars(found), "skipped": found.skipped, "by_code": by_code, "over_words": over_words})


def _run_command(act: Callable[..., Schedule], *what: Any, **more: Any) -> ScheduleAnswer:
    with transaction(app_context().sessions) as session:
        return _answer(session, act(session, *what, **more, by=current_actor(), now=now()))


def _answer(session: Session, schedule: Schedule) -> ScheduleAnswer:
    return _answers(session, [schedule])[0]


def _answers(session: Session, schedules: Sequence[Schedule]) -> list[ScheduleAnswer]:
    practice_id = current_actor().practice_id
    zone = find(session, practice_id).time_zone
    people = {person for schedule in schedules for person in (schedule.owner_id, schedule.changed_by)}
    names = job_queries.names_of_users(session, practice_id, people)
    return [ScheduleAnswer(**_schedule_fields(session, schedule, zone, names)) for schedule in schedules]


def _schedule_fields(session: Session, schedule: Schedule, zone: str, names: Mapping[int, str]) -> dict[str, Any]:
    run_time = schedule_queries.next_run(session, schedule, now=now())
    own = (
        "id", "name", "filter", "weekdays", "note", "mail_to", "mode", "state", "stopped_because", "version",
        "changed_at",
    )  # fmt: skip
    return {
        **{member: getattr(schedule, member) for member in own},
        "reason": schedule.reason_code,
        "reason_kind": schedule.reason,
        "late_minutes": schedule.grace_minutes,
        "made_at": schedule.created_at,
        "words": descriptions.describe(session, schedule, zone),
        "local_time": schedule.local_time.isoformat("minutes"),
        "time_zone": zone,
        "claims_max": limit_as_json(schedule.claims_max),
        "cents_max": limit_as_json(schedule.cents_max),
        "stopped_words": descriptions.describe_reason(schedule.stopped_because) if schedule.stopped_because else None,
        "next_run": run_time,
        "next_run_words": schedule_labels.describe_next_run(schedule, run_time, zone),
        "owner": names.get(schedule.owner_id),
        "changed_by": names.get(schedule.changed_by),
    }
