"""The runs of schedules, each with its report."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.jobs import codes
from core.models.schedules import ScheduleRun
from core.schedules import reports, run_mail, schedule_queries
from core.schedules.schedule_queries import NoSuchRun
from webui.api.blueprint import SCHEDULES, api
from webui.api.request_parsing import IdPath, Page
from webui.api.schedule_models import Coded, ScheduleRunAnswer, ScheduleRuns
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class RunsQuery(Page):
    """Filter and a page of runs."""

    schedule_id: Annotated[
        str | None,
        Field(pattern=r"^[1-9][0-9]{0,17}$", description="Runs of this schedule only, even if it was deleted"),
    ] = None


class RunPath(IdPath):
    """The run's ID."""

    missing = NoSuchRun
    run_id: str


@api.get("/schedule-runs", needs=Action.SEE_CLAIMS, tag=SCHEDULES, problems=[404])
def list_runs(query: RunsQuery, session: Session) -> ScheduleRuns:
    """List the practice's scheduled runs, newest first, including those of deleted schedules."""
    schedule_id = int(query.schedule_id) if query.schedule_id else None
    practice_id, before = current_actor().practice_id, query.after()
    runs = schedule_queries.list_runs(session, practice_id, schedule_id, before=before, limit=query.limit + 1)
    shown, cursor = query.cut(runs)
    return ScheduleRuns(schedule_runs=[run_answer(session, run) for run in shown], next_cursor=cursor)


@api.get("/schedule-runs/<run_id>", needs=Action.SEE_CLAIMS, tag=SCHEDULES)
def show_run(path: RunPath, session: Session) -> ScheduleRunAnswer:
    """Show one run with its current report."""
    return run_answer(session, schedule_queries.find_run(session, current_actor().practice_id, path.id))


def run_answer(session: Session, run: ScheduleRun) -> ScheduleRunAnswer:
    """Return the run with its report."""
    report = reports.report_for_run(session, run, now=now())
    of_run = ("id", "schedule_id", "local_date", "due_at", "mode", "outcome")
    mail = run_mail.for_run(session, run)
    of_report = (
        "state", "is_final", "claims", "settled", "skipped", "failed", "remaining", "insurance_cents",
        "patient_cents", "over",
    )  # fmt: skip
    return ScheduleRunAnswer(
        **{member: getattr(run, member) for member in of_run},
        **{member: getattr(report, member) for member in of_report},
        mail_state=mail.state,
        mail_sent_at=mail.sent_at,
        begun_at=run.created_at,
        because=run.reason_code,
        schedule=run.schedule_snapshot["name"],
        words=report.sentence,
        settle_job_id=report.job_id,
        by_code=code_counts(report.by_code),
        held_by_settle_job_ids=report.held_by,
    )


def code_counts(by_code: Iterable[tuple[str, int]]) -> list[Coded]:
    """Return codes with their sentences and numbers of claims."""
    return [Coded(code=code, words=codes.describe(code), claims=claims) for code, claims in by_code]
