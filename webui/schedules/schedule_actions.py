"""Actions on a schedule: pause, resume, run now, settle, report only, delete."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.errors import Refusal
from core.jobs import job_queries
from core.jobs.keys import JobKey
from core.jobs.lifecycle import ConfirmationMismatch
from core.models.schedules import Schedule, ScheduleRun
from core.schedules import schedule_commands
from webui.schedules import schedule_pages
from webui.schedules.schedule_pages import SCHEDULE_ID_RULE
from webui.shared import acts
from webui.shared.app_context import hint_workers
from webui.shared.auth import Pages

blueprint = Pages("schedule_acts", __name__, url_prefix="/schedules")


@blueprint.post(f"/{SCHEDULE_ID_RULE}/pause", needs=Action.MANAGE_SCHEDULES)
def pause(schedule_id: int) -> Response:
    """Pause the schedule."""
    return _run_command(schedule_commands.pause, schedule_id, "Schedule paused. It won’t run until someone resumes it.")


@blueprint.post(f"/{SCHEDULE_ID_RULE}/resume", needs=Action.MANAGE_SCHEDULES)
def resume(schedule_id: int) -> Response:
    """Resume the schedule."""
    return _run_command(
        schedule_commands.resume, schedule_id, "Schedule resumed. It runs again at its next scheduled time."
    )


@blueprint.post(f"/{SCHEDULE_ID_RULE}/report-only", needs=Action.MANAGE_SCHEDULES)
def report_only(schedule_id: int) -> Response:
    """Return the schedule to report-only mode."""
    message = "Report-only mode is on. Starting with the next run, nothing is written off."
    return _run_command(schedule_commands.report_only, schedule_id, message, version=schedule_pages.version_from_form())


@blueprint.post(f"/{SCHEDULE_ID_RULE}/settle", needs=Action.MANAGE_SCHEDULES)
def settle(schedule_id: int) -> Response | tuple[str, int]:
    """Let the schedule settle if CONFIRM is typed. Otherwise show the fault at the field and change nothing."""
    typed = request.form.get("confirmation", "")
    try:
        acts.run(
            schedule_commands.start_settling,
            schedule_id,
            confirmation=typed,
            version=schedule_pages.version_from_form(),
        )
    except ConfirmationMismatch as fault:
        return schedule_pages.render_schedule(schedule_id, unconfirmed=fault.message, typed=typed), fault.http_status
    except Refusal as refusal:
        return schedule_pages.render_schedule(
            schedule_id, refused=acts.sentence_on_page(refusal), typed=typed
        ), refusal.http_status
    flash("Settling is on, starting with the next run, including one started with “Run now.”", "good")
    return _redirect_to_schedule(schedule_id)


@blueprint.post(f"/{SCHEDULE_ID_RULE}/delete", needs=Action.MANAGE_SCHEDULES)
def delete(schedule_id: int) -> Response:
    """Delete the schedule. Its runs stay."""
    deleted = acts.run(schedule_commands.delete, schedule_id)
    return acts.redirect_with(
        f"Schedule “{deleted.name}” deleted. Its past runs are kept under Scheduled runs.", "schedules.index"
    )


@blueprint.post(f"/{SCHEDULE_ID_RULE}/run-now", needs=Action.MANAGE_SCHEDULES)
def run_now(schedule_id: int) -> Response:
    """Run the schedule now. Pressing the same button again starts no second run."""
    try:
        key, version = request.form.get("run_key", ""), schedule_pages.version_from_form()
        run = acts.run(schedule_commands.run_now, schedule_id, key=key, version=version)
    except Refusal as refusal:
        flash(acts.sentence_on_page(refusal), "bad")
        return _redirect_to_schedule(schedule_id)
    hint_workers_of_run(run)
    return redirect(url_for("schedule_runs.show", run_id=run.id), code=HTTPStatus.SEE_OTHER)


def hint_workers_of_run(run: ScheduleRun) -> None:
    """Hint the workers, after the commit, that a run's job has work."""
    if run.job_id is None:
        return
    job = acts.read(job_queries.find, JobKey(run.practice_id, run.job_id))
    hint_workers(job)


def _run_command(command: Callable[..., Schedule], schedule_id: int, message: str, **values: Any) -> Response:
    try:
        acts.run(command, schedule_id, **values)
    except Refusal as refusal:
        flash(acts.sentence_on_page(refusal), "warn")
    else:
        flash(message, "good")
    return _redirect_to_schedule(schedule_id)


def _redirect_to_schedule(schedule_id: int) -> Response:
    return redirect(url_for("schedules.show", schedule_id=schedule_id), code=HTTPStatus.SEE_OTHER)
