"""The audit: who did what."""

import datetime as dt
from typing import Annotated, Any

from flask import Response, jsonify
from flask_openapi3.models.tag import Tag
from pydantic import Field

from core.access import audit_log
from core.access.audit_log import AuditFilter
from core.access.permissions import Action
from webui.api.blueprint import api, refusals
from webui.api.models import Answer, Id
from webui.api.reading import Page, asks, current_actor
from webui.door import door

AUDIT = Tag(name="Audit", description="Who did what; nothing is ever changed or removed")


class AuditQuery(Page):
    """Which acts; each that is given narrows. Days are the practice's own, both included."""

    person: Annotated[str | None, Field(description="The e-mail address of who did it")] = None
    claim: Annotated[str | None, Field(description="Done to this claim, or to any job that holds it")] = None
    job: Annotated[int | None, Field(ge=1, lt=2**63, description="Done to this job")] = None
    from_: Annotated[dt.date | None, Field(alias="from")] = None
    to: dt.date | None = None


class AuditAct(Answer):
    """One act, with its place in the practice's chain."""

    number: Annotated[int, Field(description="From 1, without a gap")]
    at: dt.datetime
    user_id: Annotated[Id | None, Field(description="null where the product did it, or the command line")]
    person: str | None
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


@api.get("/audit", tags=[AUDIT], responses={200: AuditPage, **refusals(404)})
@asks(Action.SEE_AUDIT)
def list_acts(query: AuditQuery) -> Response:
    """List who did what, the newest first."""
    practice_id = current_actor().practice_id
    with door().sessions() as session:
        person = audit_log.person_of(session, practice_id, query.person) if query.person else None
        wanted = AuditFilter(person=person, claim=query.claim, job=query.job, first_day=query.from_, last_day=query.to)
        found = audit_log.acts(session, practice_id, wanted, before=query.after(), limit=query.limit + 1)
        head = audit_log.head(session, practice_id)
    shown = found[: query.limit]
    answer = AuditPage(
        acts=[AuditAct.model_validate(act) for act in shown],
        head=AuditHead.model_validate(head),
        next_cursor=str(shown[-1].number) if len(found) > len(shown) else None,
    )
    return jsonify(answer.json_ready())
