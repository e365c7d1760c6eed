"""The audit: who did what."""

import datetime as dt
from typing import Annotated, Any, Final

from flask import Response, jsonify
from flask_openapi3.models.tag import Tag
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.audit import log
from core.audit.log import AuditFilter
from core.db.base import BIGINT_MAX
from webui.api.blueprint import api, problem_responses
from webui.api.models import Answer, Id
from webui.api.request_parsing import Page, Parameters, requires
from webui.shared import file_downloads
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

AUDIT = Tag(name="Audit", description="Who did what; nothing is ever changed or removed")


_CSV: Final = {"description": "The file", "content": {"text/csv": {"schema": {"type": "string"}}}}


class AuditFileQuery(Parameters):
    """Which acts; each that is given narrows. Days are the practice's own, both included."""

    person: Annotated[str | None, Field(description="The e-mail address of who did it")] = None
    claim: Annotated[
        str | None, Field(description="Done to this claim, or to a job, an exclusion or an import that concerns it")
    ] = None
    job: Annotated[
        int | None,
        Field(ge=1, le=BIGINT_MAX, description="Done to this job, or to one that reverses it"),
        BeforeValidator(reading.whole_number("write a job's number")),
    ] = None
    from_: Annotated[reading.Day | None, Field(alias="from")] = None
    to: reading.Day | None = None

    def narrowed(self, session: Session, practice_id: int) -> AuditFilter:
        """The filter alone; raises `NotFound` for a person whom the practice has not."""
        person = log.find_user_id(session, practice_id, self.person) if self.person else None
        return AuditFilter(person=person, claim=self.claim, job=self.job, first_day=self.from_, last_day=self.to)


class AuditQuery(Page, AuditFileQuery):
    """Which acts, and which of them first."""


class AuditAct(Answer):
    """One act, with its place in the practice's chain."""

    number: Annotated[int, Field(description="From 1, without a gap")]
    at: dt.datetime
    user_id: Annotated[Id | None, Field(description="null where no user did it, or it is not known who")]
    person: str | None
    who: Annotated[str, Field(description="For people: the person, or System, Command line or Not signed in")]
    act: Annotated[str, Field(description="Stable, for programs, such as job.confirmed")]
    subject: Annotated[str, Field(description="Such as job:1042")]
    facts: dict[str, Any]
    sentence: Annotated[str, Field(description="For people")]
    digest: Annotated[str, Field(description="SHA-256 of the digest before it and the act")]


class AuditHead(Answer):
    """The end of the chain: kept elsewhere, it proves that nothing before it was changed."""

    number: int
    digest: str


class AuditPage(Answer):
    """Some acts, the newest first."""

    acts: list[AuditAct]
    head: AuditHead
    next_cursor: str | None


@api.get("/audit", tags=[AUDIT], responses={200: AuditPage, **problem_responses(404)})
@requires(Action.SEE_AUDIT)
def list_acts(query: AuditQuery) -> Response:
    """List who did what, the newest first."""
    practice_id = current_actor().practice_id
    with app_context().sessions() as session:
        wanted = query.narrowed(session, practice_id)
        found = log.acts(session, practice_id, wanted, before=query.after(), limit=query.limit + 1)
        head = log.head(session, practice_id)
    shown = found[: query.limit]
    answer = AuditPage(
        acts=[AuditAct.model_validate(act) for act in shown],
        head=AuditHead.model_validate(head),
        next_cursor=str(shown[-1].number) if len(found) > len(shown) else None,
    )
    return jsonify(answer.json_ready())


@api.get("/audit.csv", tags=[AUDIT], responses={200: _CSV, **problem_responses(404, 429, 503)})
@requires(Action.SEE_AUDIT)
def export(query: AuditFileQuery) -> Response:
    """Give the acts as CSV, the first act first, with what is hashed of each, so that anybody can walk the chain.

    It is made whole before its first byte is sent, and the export is an act of the audit too.
    """
    actor = current_actor()
    with app_context().sessions() as session:
        wanted = query.narrowed(session, actor.practice_id)
    return file_downloads.send_file(
        by=actor,
        name=log.file_name(now()),
        content_type=file_downloads.CSV,
        record=lambda db: log.authorize_export(db, wanted, by=actor, now=now()),
        pieces=lambda db: log.csv_file(db, actor.practice_id, wanted),
    )
