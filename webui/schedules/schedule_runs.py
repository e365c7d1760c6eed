"""The list of runs, and the report of each."""

from typing import Final, NamedTuple

from flask import render_template
from sqlalchemy.orm import Session

from core import paging
from core.access.permissions import Action
from core.claims import feed
from core.db.bounds import BIGINT_MAX
from core.enums.ledger import REASON_NAMES
from core.jobs import codes, job_queries
from core.models.jobs import SettleJob
from core.models.schedules import ScheduleRun
from core.schedules import reports, run_mail, schedule_queries
from core.schedules.reports import RunReport
from core.schedules.schedule_queries import NoSuchSchedule
from webui.claims import filter_words
from webui.shared import page_arguments, partials
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor, current_practice

PAGE_RUNS: Final = 50

blueprint = Pages("schedule_runs", __name__, url_prefix="/schedule-runs")
RUN_ID_RULE: Final = f"<int(max={BIGINT_MAX}):run_id>"


class RunWithReport(NamedTuple):
    """A run with its result."""

    run: ScheduleRun
    report: RunReport


def with_report(db: Session, run: ScheduleRun) -> RunWithReport:
    """Return the run with its current result."""
    return RunWithReport(run, reports.report_for_run(db, run, now=now()))


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """List the practice's runs, newest first, including those of deleted schedules."""
    practice_id = current_actor().practice_id
    before_id = page_arguments.number("before")
    with app_context().sessions() as db:
        found = schedule_queries.list_runs(db, practice_id, before=before_id, limit=PAGE_RUNS + 1)
        shown, last = paging.cut(found, PAGE_RUNS)
        runs = [with_report(db, run) for run in shown]
    return render_template("schedules/runs.html", runs=runs, older=last and last.id, before=before_id)


@blueprint.get(f"/{RUN_ID_RULE}", needs=Action.SEE_CLAIMS)
def show(run_id: int) -> str:
    """Show the report of one run. The page refreshes it while it changes."""
    practice = current_practice()
    with app_context().sessions() as db:
        run = schedule_queries.find_run(db, practice.id, run_id)
        mail = run_mail.for_run(db, run)
        facts = {
            "run": run,
            "report": reports.report_for_run(db, run, now=now()),
            "is_there": _schedule_exists(db, run),
            "terms": filter_words.describe_filter(
                run.schedule_snapshot["filter"], feed.filter_choices(db, practice.id)
            ),
            "names": job_queries.names_of_users(db, practice.id, {run.requested_by, run.schedule_snapshot["owner_id"]}),
            "reason": run.schedule_snapshot.get("reason_name") or REASON_NAMES[run.schedule_snapshot["reason"]],
            "failures": codes.FAILURE_SENTENCES,
            "mail": mail,
            "mail_words": run_mail.describe(mail, addresses=len(run.schedule_snapshot["mail_to"])),
        }
    template = "schedules/_report.html" if partials.is_partial_request() else "schedules/run.html"
    return render_template(template, **facts)


class OriginatingRun(NamedTuple):
    """The run that created a job, and whether its schedule still exists."""

    run: ScheduleRun
    is_there: bool


@blueprint.app_template_global("run_that_made")
def run_that_made(job: SettleJob) -> OriginatingRun | None:
    """Return the run that created this job, or None for a user's job."""
    if job.schedule_id is None:
        return None
    with app_context().sessions() as db:
        run = schedule_queries.run_for_job(db, job.practice_id, job.id)
        return None if run is None else OriginatingRun(run, _schedule_exists(db, run))


def _schedule_exists(db: Session, run: ScheduleRun) -> bool:
    """Return whether the schedule still exists. Runs of a deleted schedule stay readable."""
    try:
        schedule_queries.find(db, run.practice_id, run.schedule_id)
    except NoSuchSchedule:
        return False
    return True
