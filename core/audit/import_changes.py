"""Read what an import changed in existing records, for users who may see the audit and patients' names."""

from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.errors import NotFound, or_raise
from core.models.import_changes import ImportChange
from core.models.people import AuditLink

PAGE_CHANGES_MAX: Final = 200


class NoSuchEntry(NotFound):
    """This audit entry does not exist in this practice."""


class TakenChange(NamedTuple):
    """One value that an import changed. Old and new may be a name or a date of birth."""

    id: int  # for the next page
    record: str  # claim, line, patient, payer, provider or office
    number: str  # the practice's own
    field: str
    old: str | None
    new: str | None


def list_changes(
    session: Session, number: int, *, by: Actor, after_id: int | None = None, limit: int = PAGE_CHANGES_MAX
) -> list[TakenChange]:
    """Return the changes that the audit entry with this number recorded, in import order. Raise `NoSuchEntry`."""
    by.require(Action.SEE_AUDIT)
    by.require(Action.SEE_CLAIMS)
    link = select(AuditLink.entry_id).where(AuditLink.practice_id == by.practice_id, AuditLink.number == number)
    entry_id = or_raise(session.scalar(link), NoSuchEntry)
    of = ImportChange
    found = select(of.id, of.record, of.number, of.field, of.old, of.new).where(
        of.practice_id == by.practice_id, of.entry_id == entry_id
    )
    if after_id is not None:
        found = found.where(of.id > after_id)
    return [TakenChange(*row) for row in session.execute(found.order_by(of.id).limit(limit))]
