"""Schedules: rules that make a job at a local time of night. They report until somebody lets them settle."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from flask import Response, jsonify, url_for
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.db.engine import transaction
from core.jobs import queries as jobs
from core.models.schedules import Schedule
from core.money import plain_limit
from core.practices.queries import find as practice_of
from core.schedules import commands, descriptions, estimate, queries
from core.schedules.queries import NoSuchSchedule
from core.schedules.requests import ScheduleRequest
from webui.api.blueprint import SCHEDULES, api, problem_responses
from webui.api.request_parsing import Body, IdPath, OnceHeaders, Parameters, requires
from webui.api.schedule_models import ScheduleAnswer, ScheduleRunAnswer, Schedules, TonightAnswer
from webui.api.schedule_runs import code_counts, run_answer
from webui.schedules import schedule_labels
from webui.schedules.schedule_actions import hint_workers_of_run
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

Version = Annotated[int, Field(ge=1, strict=True, description="The schedule's version as you know it")]

_BODY: Final = (400, 413, 415)


class SchedulePath(IdPath):
    """Which schedule."""

    missing = NoSuchSchedule
    schedule_id: str


class ScheduleChange(ScheduleRequest):
    """The whole schedule as it is to be from its next night on."""

    version: Version
    confirmation: Annotated[str | None, Field(description="CONFIRM, where the schedule settles")] = None

    def request(self) -> ScheduleRequest:
        """The schedule alone."""
        return ScheduleRequest.model_validate(self.model_dump(exclude={"version", "confirmation"}))


class OfVersion(Body):
    """Which version of the schedule is meant."""

    version: Version


class IfVersion(Parameters):
    """Which version of the schedule is meant, where that matters."""

    version: Annotated[
        Annotated[int, Field(ge=1), BeforeValidator(reading.whole_number("write a schedule's version"))] | None,
        Field(description="The schedule's version as you know it: if somebody changed it since, nothing is run"),
    ] = None


class LetSettle(OfVersion):
    """What a person types to let a schedule settle."""

    confirmation: Annotated[str, Field(description="CONFIRM, all in capitals")] = ""


@api.get("/schedules", tags=[SCHEDULES], responses={200: Schedules})
@requires(Action.SEE_CLAIMS)
def list_schedules() -> Response:
    """List the practice's schedules, by name."""
    with app_context().sessions() as session:
        found = queries.list_schedules(session, current_actor().practice_id)
        answer = Schedules(schedules=_answers(session, found))
    return jsonify(answer.json_ready())


@api.post("/schedules", tags=[SCHEDULES], responses={201: ScheduleAnswer, **problem_responses(*_BODY, 409)})
@requires(Action.MANAGE_SCHEDULES)
def make_schedule(body: ScheduleRequest) -> tuple[Response, int, dict[str, str]]:
    """Make a schedule. It reports what it would settle, and settles nothing until POST …/settle."""
    with transaction(app_context().sessions) as session:
        schedule = commands.create(session, body, by=current_actor(), now=now())
        answer = _answer(session, schedule)
    location = url_for("api.show_schedule", schedule_id=schedule.id)
    return jsonify(answer.json_ready()), HTTPStatus.CREATED, {"Location": location}


@api.get("/schedules/<schedule_id>", tags=[SCHEDULES], responses={200: ScheduleAnswer, **problem_responses(404)})
@requires(Action.SEE_CLAIMS)
def show_schedule(path: SchedulePath) -> Response:
    """Show one schedule."""
    with app_context().sessions() as session:
        answer = _answer(session, queries.find(session, current_actor().practice_id, path.id))
    return jsonify(answer.json_ready())


@api.put(
    "/schedules/<schedule_id>", tags=[SCHEDULES], responses={200: ScheduleAnswer, **problem_responses(*_BODY, 404, 409)}
)
@requires(Action.MANAGE_SCHEDULES)
def change_schedule(path: SchedulePath, body: ScheduleChange) -> Response:
    """Replace what a schedule does, from its next night on, if it still has the version; you become its owner."""
    with transaction(app_context().sessions) as session:
        schedule = commands.change(
            session,
            path.id,
            body.request(),
            version=body.version,
            confirmation=body.confirmation,
            by=current_actor(),
            now=now(),
        )
        answer = _answer(session, schedule)
    return jsonify(answer.json_ready())


@api.delete("/schedules/<schedule_id>", tags=[SCHEDULES], responses={204: None, **problem_responses(404)})
@requires(Action.MANAGE_SCHEDULES)
def delete_schedule(path: SchedulePath) -> tuple[str, int]:
    """Let no night of it come any more; its runs stay."""
    with transaction(app_context().sessions) as session:
        commands.delete(session, path.id, by=current_actor(), now=now())
    return "", HTTPStatus.NO_CONTENT


@api.post("/schedules/<schedule_id>/pause", tags=[SCHEDULES], responses={200: ScheduleAnswer, **problem_responses(404)})
@requires(Action.MANAGE_SCHEDULES)
def pause_schedule(path: SchedulePath) -> Response:
    """Let its nights pass until it is resumed; a second call changes nothing."""
    with transaction(app_context().sessions) as session:
        answer = _answer(session, commands.pause(session, path.id, by=current_actor(), now=now()))
    return jsonify(answer.json_ready())


@api.post(
    "/schedules/<schedule_id>/resume", tags=[SCHEDULES], responses={200: ScheduleAnswer, **problem_responses(404)}
)
@requires(Action.MANAGE_SCHEDULES)
def resume_schedule(path: SchedulePath) -> Response:
    """Let a paused or stopped schedule's nights come again; whoever resumes a stopped one becomes its owner."""
    with transaction(app_context().sessions) as session:
        answer = _answer(session, commands.resume(session, path.id, by=current_actor(), now=now()))
    return jsonify(answer.json_ready())


@api.post(
    "/schedules/<schedule_id>/settle",
    tags=[SCHEDULES],
    responses={200: ScheduleAnswer, **problem_responses(*_BODY, 404, 409)},
)
@requires(Action.MANAGE_SCHEDULES)
def let_schedule_settle(path: SchedulePath, body: LetSettle) -> Response:
    """Let a schedule settle from its next run on; it takes CONFIRM, and you become its owner."""
    with transaction(app_context().sessions) as session:
        schedule = commands.start_settling(
            session,
            path.id,
            confirmation=body.confirmation,
            version=body.version,
            by=current_actor(),
            now=now(),
        )
        answer = _answer(session, schedule)
    return jsonify(answer.json_ready())


@api.post(
    "/schedules/<schedule_id>/report-only",
    tags=[SCHEDULES],
    responses={200: ScheduleAnswer, **problem_responses(*_BODY, 404, 409)},
)
@requires(Action.MANAGE_SCHEDULES)
def let_schedule_report(path: SchedulePath, body: OfVersion) -> Response:
    """Let a schedule only report from its next run on."""
    with transaction(app_context().sessions) as session:
        by = current_actor()
        schedule = commands.report_only(session, path.id, version=body.version, by=by, now=now())
        answer = _answer(session, schedule)
    return jsonify(answer.json_ready())


@api.post(
    "/schedules/<schedule_id>/run-now",
    tags=[SCHEDULES],
    responses={201: ScheduleRunAnswer, **problem_responses(400, 404, 409)},
)
@requires(Action.MANAGE_SCHEDULES)
def run_schedule_now(path: SchedulePath, query: IfVersion, header: OnceHeaders) -> tuple[Response, int, dict[str, str]]:
    """Run a schedule at once, beside its nights; the same key gives the same run."""
    with transaction(app_context().sessions) as session:
        by, key = current_actor(), header.idempotency_key
        run = commands.run_now(session, path.id, key=key, version=query.version, by=by, now=now())
        answer = run_answer(session, run)
    hint_workers_of_run(run)
    return jsonify(answer.json_ready()), HTTPStatus.CREATED, {"Location": url_for("api.show_run", run_id=run.id)}


@api.get(
    "/schedules/<schedule_id>/tonight", tags=[SCHEDULES], responses={200: TonightAnswer, **problem_responses(404, 409)}
)
@requires(Action.SEE_CLAIMS)
def show_tonight(path: SchedulePath) -> Response:
    """Tell what a schedule would settle in its next night, by the rules and claims as they are now."""
    with app_context().sessions() as session:
        schedule = queries.find(session, current_actor().practice_id, path.id)
        found = estimate.estimate_next_run(session, schedule, now=now())
    answer = TonightAnswer(
        as_of=found.as_of,
        notes=found.notes,
        claims=found.claims,
        will_settle=found.will_settle,
        skipped=found.skipped,
        insurance_cents=found.insurance_cents,
        patient_cents=found.patient_cents,
        by_code=code_counts(found.by_code),
        over=found.over,
    )
    return jsonify(answer.json_ready())


def _answer(session: Session, schedule: Schedule) -> ScheduleAnswer:
    return _answers(session, [schedule])[0]


def _answers(session: Session, schedules: Sequence[Schedule]) -> list[ScheduleAnswer]:
    practice_id = current_actor().practice_id
    zone = practice_of(session, practice_id).time_zone
    people = {person for schedule in schedules for person in (schedule.owner_id, schedule.changed_by)}
    names = jobs.names_of_users(session, practice_id, people)
    return [ScheduleAnswer(**_schedule_fields(session, schedule, zone, names)) for schedule in schedules]


def _schedule_fields(session: Session, schedule: Schedule, zone: str, names: Mapping[int, str]) -> dict[str, Any]:
    night = queries.next_run(session, schedule, now=now())
    own = (
        "id", "name", "filter", "weekdays", "reason", "note", "late_minutes", "mail_to", "mode", "state",
        "stopped_because", "version", "made_at", "changed_at",
    )  # fmt: skip
    return {
        **{member: getattr(schedule, member) for member in own},
        "words": descriptions.describe(schedule, zone),
        "local_time": schedule.local_time.isoformat("minutes"),
        "time_zone": zone,
        "claims_max": plain_limit(schedule.claims_max),
        "cents_max": plain_limit(schedule.cents_max),
        "stopped_words": descriptions.describe_reason(schedule.stopped_because) if schedule.stopped_because else None,
        "next_run": night,
        "next_run_words": schedule_labels.describe_next_run(schedule, night, zone),
        "owner": names.get(schedule.owner_id),
        "changed_by": names.get(schedule.changed_by),
    }
