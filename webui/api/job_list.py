"""The list of jobs and its filter."""

from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.audit import log
from core.claims.claim_filter import CentsBound
from core.enums.jobs import JobKind, JobStatus
from core.jobs import job_queries
from core.jobs.job_filter import JobFilter
from webui.api.blueprint import JOBS, api
from webui.api.job_models import SettleJobsPage
from webui.api.job_responses import job_summaries
from webui.api.request_parsing import Page
from webui.shared.token_auth import current_actor


class JobsQuery(Page):
    """Filters and a page of jobs. Dates are inclusive and use the practice's time zone."""

    status: JobStatus | None = None
    name: Annotated[str | None, Field(min_length=1, description="A part of the job's name")] = None
    kind: JobKind | None = None
    reason: Annotated[str | None, Field(description="Code of the practice's write-off reason")] = None
    person: Annotated[
        str | None,
        Field(description="E-mail address of a user who requested, confirmed, decided on or reversed the job"),
    ] = None
    from_: Annotated[reading.Day | None, Field(alias="from", description="Requested on this day or later")] = None
    to: Annotated[reading.Day | None, Field(description="Requested on this day or earlier")] = None
    amount_min_cents: Annotated[
        CentsBound | None, Field(description="Amount written off or restored or, before CONFIRM, the preview's")
    ] = None
    amount_max_cents: CentsBound | None = None

    def narrowed(self, session: Session, practice_id: int) -> JobFilter:
        """Return the filter alone. Raise `BadJobFilter`, and `NotFound` if the practice has no such user."""
        same = ("status", "name", "kind", "reason", "amount_min_cents", "amount_max_cents")
        person = log.find_user_id(session, practice_id, self.person) if self.person else None
        return JobFilter(
            **{name: getattr(self, name) for name in same}, person=person, first_day=self.from_, last_day=self.to
        )


@api.get("/settle-jobs", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[404])
def list_jobs(query: JobsQuery, session: Session) -> SettleJobsPage:
    """List the practice's jobs that match every given filter, newest first."""
    practice_id, before = current_actor().practice_id, query.after()
    matching = query.narrowed(session, practice_id)
    jobs = job_queries.list_jobs(session, practice_id, before_id=before, matching=matching, limit=query.limit + 1)
    shown, cursor = query.cut(jobs)
    return SettleJobsPage(settle_jobs=job_summaries(session, practice_id, shown), next_cursor=cursor)
