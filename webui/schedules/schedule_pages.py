"""Schedules: the list, one schedule, and the form to create and change one."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from flask import render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.claims import feed
from core.db.bounds import BIGINT_MAX
from core.db.engine import transaction
from core.enums.schedules import ScheduleMode
from core.errors import Refusal
from core.jobs import job_queries
from core.jobs.lifecycle import ConfirmationMismatch
from core.models.schedules import Schedule
from core.practices import practice_days, reasons
from core.practices.write_off_setting import SettingNotChosen
from core.reading import NOTE_CHARACTERS_MAX
from core.schedules import descriptions, estimates, schedule_commands, schedule_queries
from core.schedules.requests import NAME_CHARACTERS_MAX, BadSchedule, ScheduleRequest
from core.schedules.schedule_commands import StaleSchedule
from webui.claims import feed_address, feed_columns, filter_words
from webui.schedules import schedule_labels
from webui.schedules.schedule_form import ScheduleForm
from webui.schedules.schedule_runs import RunWithReport, with_report
from webui.shared import acts
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor, current_practice

RUNS_SHOWN: Final = 10
PREVIEW_ONLY: Final = "look"  # the form's other button: estimate only, save nothing

blueprint = Pages("schedules", __name__, url_prefix="/schedules")
SCHEDULE_ID_RULE: Final = f"<int(max={BIGINT_MAX}):schedule_id>"


class ScheduleRow(NamedTuple):
    """A schedule in the list."""

    schedule: Schedule
    sentence: str
    next: str
    last: RunWithReport | None  # its newest run with the result


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """List the practice's schedules: what each does, its next run, and the result of its last run."""
    practice = current_practice()
    with app_context().sessions() as db:
        found = schedule_queries.list_schedules(db, practice.id)
        last = schedule_queries.last_runs(db, practice.id)
        rows = [
            ScheduleRow(
                schedule,
                descriptions.describe(db, schedule, practice.time_zone),
                next_run_sentence(db, schedule, practice.time_zone),
                with_report(db, last[schedule.id]) if schedule.id in last else None,
            )
            for schedule in found
        ]
        names = job_queries.names_of_users(db, practice.id, {schedule.owner_id for schedule in found})
    return render_template("schedules/index.html", rows=rows, names=names, may_manage=may_manage())


@blueprint.get(f"/{SCHEDULE_ID_RULE}", needs=Action.SEE_CLAIMS)
def show(schedule_id: int) -> str:
    """Show one schedule: what it does, its next run, and its runs. The page then requests the estimate."""
    return render_schedule(schedule_id)


@blueprint.get(f"/{SCHEDULE_ID_RULE}/tonight", needs=Action.SEE_CLAIMS)
def tonight_of(schedule_id: int) -> str:
    """Show the estimate of the next run. If the page itself requests it, return only that part."""
    practice = current_practice()
    with transaction(app_context().sessions) as db:
        schedule = schedule_queries.find(db, practice.id, schedule_id)
        seen = _estimate_or_reason(lambda: estimates.estimate_next_run(db, schedule, now=now()))
    if not request.headers.get("HX-Request"):
        return render_schedule(schedule_id, **seen)
    settles = schedule.mode is ScheduleMode.SETTLE
    return render_template(
        "schedules/_estimate.html", settles=settles, today=practice_days.today(practice, now=now()), **seen
    )


def _estimate_or_reason(add_up: Callable[[], estimates.RunEstimate]) -> dict[str, Any]:
    """Return the estimate, or why there is none."""
    try:
        return {"tonight": add_up()}
    except (estimates.EstimateTooSlow, SettingNotChosen) as refusal:
        return {"no_estimate": refusal.message}


def render_schedule(schedule_id: int, **extra: Any) -> str:
    """Return the schedule's page. `extra` has faults, and the estimate if known."""
    practice = current_practice()
    with app_context().sessions() as db:
        schedule = schedule_queries.find(db, practice.id, schedule_id)
        facts = {
            "schedule": schedule,
            "sentence": descriptions.describe(db, schedule, practice.time_zone),
            "next": next_run_sentence(db, schedule, practice.time_zone),
            "reason": reasons.name(db, practice.id, schedule.reason_code),
            "terms": filter_words.describe_filter(schedule.filter, feed.filter_choices(db, practice.id)),
            "today": practice_days.today(practice, now=now()),
            "runs": [
                with_report(db, run)
                for run in schedule_queries.list_runs(db, practice.id, schedule.id, limit=RUNS_SHOWN)
            ],
            "names": job_queries.names_of_users(db, practice.id, {schedule.owner_id, schedule.changed_by}),
        }
    return render_template(
        "schedules/show.html", run_key=secrets.token_urlsafe(16), may_manage=may_manage(), **facts, **extra
    )


@blueprint.get("/new", needs=Action.MANAGE_SCHEDULES)
def new() -> str:
    """Show an empty form with the filter from the URL, as the feed writes it."""
    with transaction(app_context().sessions) as db:
        query = feed_address.read(db)
    return _render_form(ScheduleForm.new(query))


@blueprint.post("", needs=Action.MANAGE_SCHEDULES)
def make() -> Response | tuple[str, int] | str:
    """Create a schedule in report-only mode, or only estimate what it would settle."""
    form = ScheduleForm.of(request.form)
    if form.request is None:
        return _render_form(form), HTTPStatus.UNPROCESSABLE_ENTITY
    if request.form.get("act") == PREVIEW_ONLY:
        return _render_form(form)
    try:
        made = acts.run(schedule_commands.create, form.request)
    except Refusal as refusal:
        return _form_with_refusal(form, None, refusal)
    return acts.redirect_with(
        "Schedule created in report-only mode. It settles nothing until you turn on settling.",
        "schedules.show",
        schedule_id=made.id,
    )


@blueprint.get(f"/{SCHEDULE_ID_RULE}/change", needs=Action.MANAGE_SCHEDULES)
def edit(schedule_id: int) -> str:
    """Show the form filled in with the schedule."""
    schedule = acts.read(schedule_queries.find, current_actor().practice_id, schedule_id)
    return _render_form(ScheduleForm.of_schedule(schedule), schedule)


@blueprint.post(f"/{SCHEDULE_ID_RULE}/change", needs=Action.MANAGE_SCHEDULES)
def change(schedule_id: int) -> Response | tuple[str, int] | str:
    """Change the schedule unless another user changed it. If it settles, CONFIRM must be typed again."""
    form = ScheduleForm.of(request.form)
    schedule = acts.read(schedule_queries.find, current_actor().practice_id, schedule_id)
    if form.request is None:
        return _render_form(form, schedule), HTTPStatus.UNPROCESSABLE_ENTITY
    if request.form.get("act") == PREVIEW_ONLY:
        return _render_form(form, schedule)
    try:
        acts.run(
            schedule_commands.change,
            schedule_id,
            form.request,
            version=version_from_form(),
            confirmation=request.form.get("confirmation"),
        )
    except StaleSchedule:
        return _render_form(form, schedule, is_stale=True), HTTPStatus.CONFLICT
    except ConfirmationMismatch as fault:
        return _render_form(form, schedule, unconfirmed=fault.message), fault.http_status
    except Refusal as refusal:
        return _form_with_refusal(form, schedule, refusal)
    return acts.redirect_with(
        "Schedule changed. A run that has already started keeps its original settings.",
        "schedules.show",
        schedule_id=schedule_id,
    )


def _form_with_refusal(form: ScheduleForm, schedule: Schedule | None, refusal: Refusal) -> tuple[str, int]:
    """Return the form with the refusal at its field, or above the form."""
    faults, sentence = refusal.facts.get("faults", {}), acts.sentence_on_page(refusal)
    above = {} if faults else {"refused": sentence}
    form = replace(form, faults=dict.fromkeys(faults, sentence))
    return _render_form(form, schedule, **above), refusal.http_status


def next_run_sentence(db: Session, schedule: Schedule, time_zone: str) -> str:
    """Say when it runs next."""
    run_time = schedule_queries.next_run(db, schedule, now=now())
    return schedule_labels.describe_next_run(schedule, run_time, time_zone)


def _render_form(form: ScheduleForm, schedule: Schedule | None = None, **extra: Any) -> str:
    """Return the form. If its request is valid, add what it would do and an estimate."""
    practice = current_practice()
    seen: dict[str, Any] = {}
    with app_context().sessions() as db:
        choices = feed.filter_choices(db, practice.id)
        names = job_queries.names_of_users(db, practice.id, {schedule.changed_by} if schedule else set())
        offered = reasons.list_reasons(db, practice.id, active_only=True)
    if form.request is not None:
        try:
            seen = _look_ahead(form.request, schedule)
        except BadSchedule as refusal:
            form = replace(form, faults={**form.faults, **refusal.facts["faults"]})
    return render_template(
        "schedules/form.html",
        form=form,
        query=form.query,
        choices=choices,
        counts=None,
        schedule=schedule,
        settles=schedule is not None and schedule.mode is ScheduleMode.SETTLE,
        # If another user changed the schedule, the form gets the newer version, so saving again is a deliberate choice.
        version=schedule.version
        if schedule and (extra.get("is_stale") or request.method == "GET")
        else version_from_form(),
        reasons_said=[(reason.code, reason.name) for reason in offered],
        name_max=NAME_CHARACTERS_MAX,
        note_max=NOTE_CHARACTERS_MAX,
        weekdays=descriptions.DAY_NAMES,
        look=PREVIEW_ONLY,
        mail_is_set_up=app_context().settings.smtp_url is not None,
        confirmed_as=request.form.get("confirmation", ""),
        names=names,
        **feed_columns.FILTER_CHOICES,
        **seen,
        **extra,
    )


def _look_ahead(wanted: ScheduleRequest, schedule: Schedule | None) -> dict[str, Any]:
    """Return what the request would do, and an estimate. Raise `BadSchedule`."""
    practice, mode = current_practice(), schedule.mode if schedule else ScheduleMode.REPORT
    with transaction(app_context().sessions) as db:
        columns = schedule_queries.columns(db, practice.id, wanted)
        unsaved = Schedule(practice_id=practice.id, mode=mode, **columns)  # never added to the session
        return {
            "sentence": descriptions.describe(db, unsaved, practice.time_zone),
            "today": practice_days.today(practice, now=now()),
            **_estimate_or_reason(lambda: estimates.estimate_request(db, wanted, by=current_actor(), now=now())),
        }


def version_from_form() -> int:
    """Return the version of the schedule that the form was made from."""
    return reading.number(request.form.get("version", "")) or 0


def may_manage() -> bool:
    """Return whether the user may change schedules. All users who see claims may read them."""
    return current_actor().may(Action.MANAGE_SCHEDULES)
