"""The audit: who did what."""

import datetime as dt
from typing import Annotated, Any

from flask import Response
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.audit import import_changes, log
from core.audit.import_changes import NoSuchEntry
from core.audit.log import AuditFilter
from core.db.bounds import BIGINT_MAX
from webui.api.blueprint import CSV_FILE, ZIP_FILE, Tag, api
from webui.api.models import Answer, Id, Seen, labeled
from webui.api.request_parsing import IdPath, Page, Parameters
from webui.shared import audit_files
from webui.shared.app_context import app_context
from webui.shared.token_auth import current_actor

AUDIT = Tag(name="Audit", description="Who did what. Entries are never changed or removed.")


class AuditFileQuery(Parameters):
    """Filters for audit entries. Dates are inclusive and use the practice's time zone."""

    person: Annotated[str | None, Field(description="E-mail address of the user who acted")] = None
    claim: Annotated[
        str | None,
        Field(description="Entries for this claim, or for a job, exclusion, import or remittance that includes it"),
    ] = None
    job: Annotated[
        int | None,
        Field(ge=1, le=BIGINT_MAX, description="Entries for this job, or for a job that reverses it"),
        BeforeValidator(reading.whole_number("enter a job number")),
    ] = None
    trace: Annotated[str | None, Field(description="Entries for the remittances with this check or trace number")] = (
        None
    )
    from_: Annotated[reading.Day | None, Field(alias="from")] = None
    to: reading.Day | None = None

    def narrowed(self, session: Session, practice_id: int) -> AuditFilter:
        """Return the filter alone. Raise `NotFound` if the practice has no such user."""
        person = log.find_user_id(session, practice_id, self.person) if self.person else None
        return AuditFilter(
            person=person, claim=self.claim, job=self.job, trace=self.trace, first_day=self.from_, last_day=self.to
        )


class AuditQuery(Page, AuditFileQuery):
    """Filters and a page of audit entries."""


class AuditAct(Answer):
    """One audit entry, with its place in the practice's chain."""

    number: Annotated[int, Field(description="Starts at 1, without gaps")]
    at: dt.datetime
    user_id: Annotated[Id | None, Field(description="Null if no user acted, or the user is unknown")]
    person: str | None
    who: Annotated[str, Field(description="Display name: the user, System, Command line or Not signed in")]
    act: Annotated[str, Field(description="Stable code for programs, e.g. job.confirmed")]
    subject: Annotated[str, Field(description="What was acted on, e.g. job:1042")]
    facts: dict[str, Any]
    sentence: Annotated[str, Field(description="The entry as a sentence")]
    details: Annotated[list[Seen], BeforeValidator(labeled), Field(description="The facts with display labels")]
    digest: Annotated[str, Field(description="SHA-256 of the previous digest and this entry")]


class EntryPath(IdPath):
    """The entry's number in the practice's chain."""

    missing = NoSuchEntry
    number: str


class ImportChangeAnswer(Answer):
    """A value that an import applied to an existing record."""

    record: Annotated[str, Field(description="claim, line, patient, payer, provider or office")]
    number: Annotated[str, Field(description="The practice's own number for the record")]
    field: str
    old: str | None
    new: str | None


class ChangesPage(Answer):
    """A page of changes, in import order."""

    changes: list[ImportChangeAnswer]
    next_cursor: str | None


class AuditHead(Answer):
    """The end of the chain. Save it elsewhere to prove later that no earlier entry was changed."""

    number: int
    digest: str


class AuditPage(Answer):
    """A page of audit entries, newest first."""

    acts: list[AuditAct]
    head: AuditHead
    next_cursor: str | None


@api.get("/audit", needs=Action.SEE_AUDIT, tag=AUDIT, problems=[404])
def list_acts(query: AuditQuery, session: Session) -> AuditPage:
    """List audit entries, newest first.

    `claim.viewed` entries, which say who looked at a claim, are listed only with `claim` or `person`.
    """
    practice_id = current_actor().practice_id
    wanted = query.narrowed(session, practice_id)
    found = log.acts(session, practice_id, wanted, before=query.after(), limit=query.limit + 1)
    acts, cursor = query.cut(found, "number")
    return AuditPage(acts=acts, head=log.head(session, practice_id), next_cursor=cursor)


@api.get("/audit/<number>/changes", needs=Action.SEE_AUDIT, tag=AUDIT)
def list_changes(path: EntryPath, query: Page, session: Session) -> ChangesPage:
    """List the old and new values of the changes that an import applied. Values may be names or dates of birth."""
    found = import_changes.list_changes(
        session, path.id, by=current_actor(), after_id=query.after(), limit=query.limit + 1
    )
    changes, cursor = query.cut(found)
    return ChangesPage(changes=changes, next_cursor=cursor)


@api.get("/audit.csv", needs=Action.SEE_AUDIT, tag=AUDIT, file=CSV_FILE, problems=[404])
def export(query: AuditFileQuery) -> Response:
    """Export audit entries as CSV, oldest first, with the hashed content of each, so you can verify the chain.

    The file is complete before the first byte is sent. The export itself is also audited.
    """
    actor = current_actor()
    with app_context().sessions() as session:
        wanted = query.narrowed(session, actor.practice_id)
    return audit_files.send_log(wanted, by=actor)


@api.get("/audit-package.zip", needs=Action.SEE_AUDIT, tag=AUDIT, file=ZIP_FILE)
def export_package() -> Response:
    """Export the ledger, jobs, months and audit log as a zip that an auditor can prove without this system.

    The zip is complete before the first byte is sent. The export itself is also audited.
    """
    return audit_files.send_package(by=current_actor())
