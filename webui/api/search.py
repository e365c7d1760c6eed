"""Search claims, patients and jobs, like the search box of the pages."""

import datetime as dt
from http import HTTPStatus
from typing import Annotated, Final

from pydantic import Field, Strict
from sqlalchemy.orm import Session

from core import search
from core.access.permissions import Action
from core.errors import BadInput, or_raise
from core.search import COUNTED_MAX, Kind, Search
from webui.api.blueprint import CLAIMS, api
from webui.api.job_models import SettleJobSummary
from webui.api.job_responses import job_summaries
from webui.api.models import Answer
from webui.api.request_parsing import Body
from webui.shared.token_auth import current_actor

_COUNT: Final = f"All that were found, or {COUNTED_MAX + 1:,} for more than {COUNTED_MAX:,}"


class BadSearch(BadInput):
    """Enter 2 to 100 characters, or the number of a job."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


class SearchBody(Body):
    """A text to find."""

    text: Annotated[str, Field(description='A name, a number, or an amount such as "$12.34"')]
    list: Annotated[
        Annotated[Kind, Strict(strict=False)] | None,
        Field(description=f"Return up to {search.ROWS_LISTED} patients or jobs instead of {search.ROWS_SHOWN}"),
    ] = None


class FoundClaim(Answer):
    """A claim that was found."""

    id: Annotated[str, Field(validation_alias="claim_id", description="The practice's own claim ID")]
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    billing_status: str
    billed_cents: Annotated[int, Field(validation_alias="billed")]
    total_due_cents: Annotated[int, Field(validation_alias="total_due")]


class FoundPatient(Answer):
    """A patient who was found."""

    patient_id: Annotated[str, Field(description="The practice's own patient ID")]
    name: str
    birth_date: dt.date | None


class FoundClaims(Answer):
    """The first claims that were found."""

    count: Annotated[int, Field(description=_COUNT)]
    claims: list[FoundClaim]


class FoundPatients(Answer):
    """The first patients who were found."""

    count: Annotated[int, Field(description=_COUNT)]
    patients: list[FoundPatient]


class FoundJobs(Answer):
    """The first jobs that were found."""

    count: Annotated[int, Field(description=_COUNT)]
    settle_jobs: list[SettleJobSummary]


class SearchAnswer(Answer):
    """What was found, by kind."""

    claims: Annotated[FoundClaims, Field(description="By a part of the claim number, the exact number first")]
    amounts: Annotated[FoundClaims, Field(description="With exactly this amount, billed or as a balance")]
    patients: FoundPatients
    jobs: Annotated[FoundJobs, Field(description="By number, name, user, reason, note or amount, newest first")]


@api.post("/search", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def search_everything(body: SearchBody, session: Session) -> SearchAnswer:
    """Find claims, patients and jobs. The text may be a patient's name, so no address or log contains it."""
    wanted = or_raise(Search.of(body.text), BadSearch)
    practice_id = current_actor().practice_id
    found = search.find(session, practice_id, wanted, listed=body.list)
    jobs = job_summaries(session, practice_id, found.jobs.rows)
    return SearchAnswer(
        claims=FoundClaims(count=found.claims.count, claims=found.claims.rows),
        amounts=FoundClaims(count=found.amounts.count, claims=found.amounts.rows),
        patients=FoundPatients(count=found.patients.count, patients=found.patients.rows),
        jobs=FoundJobs(count=found.jobs.count, settle_jobs=jobs),
    )
