"""Apply the staged differences to the practice's records, with the old and new values in the audit log."""

import datetime as dt
import hashlib
import json
from typing import Any, Final

from sqlalchemy import Select, and_, cast, delete, exists, func, insert, literal, select, union_all, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Actor
from core.claims import holds
from core.enums.claims import SETTLED, Hold
from core.intake.loading import stages
from core.intake.loading.differences import ENDS_LEGAL_HOLD
from core.intake.loading.insert import STAGED_CLAIM_COLUMNS
from core.intake.loading.references import CLAIM_REFERENCES
from core.models.claims import Claim, LineItem
from core.models.import_changes import ImportChange
from core.models.practices import Office, Patient, Payer, Provider

_FOUND: Final = stages.DIFFERENCE
_READ_AT_ONCE: Final = 1_000


_RECORDS: Final[dict[str, Any]] = {"office": Office, "provider": Provider, "payer": Payer, "patient": Patient}
_ORDER: Final = (_FOUND.c.record, _FOUND.c.field, _FOUND.c.at, _FOUND.c.number)
_AMOUNTS: Final = ("allowed", "expected")


def changed_claims(practice_id: int) -> Select[Any]:
    """Return the IDs of the claims that differ, and of the open claims whose payer has a new class.

    A running job knows a payer's class only from its preview, so a new class must raise the claims' versions.
    """
    own = select(_FOUND.c.number).where(_FOUND.c.record == "claim")
    of_class = (_FOUND.c.record == "payer", _FOUND.c.field == "payer_class", _FOUND.c.number == Payer.external_id)
    payers = select(Payer.id).where(Payer.practice_id == practice_id, exists().where(*of_class))
    open_claims = select(Claim.external_id).where(Claim.practice_id == practice_id, Claim.billing_status != SETTLED)
    of_payers = (open_claims.where(payer.in_(payers)) for payer in (Claim.primary_payer_id, Claim.secondary_payer_id))
    return select(union_all(own, *of_payers).subquery("changed"))


def may_end_legal_holds(by: Actor | None) -> bool:
    """Return whether changes that end a legal hold are applied. A command on the server without a user may."""
    return by is None or holds.may_change(by, Hold.LEGAL)


def keep_legal_holds(session: Session) -> None:
    """Unstage the differences that end a legal hold, so that they stay as they are."""
    session.execute(delete(_FOUND).where(ENDS_LEGAL_HOLD))


def take_changes(
    session: Session, practice_id: int, counts: dict[str, int], *, by: Actor | None, now: dt.datetime
) -> None:
    """Write every staged difference into its record. The claims are locked, and what they refer to exists."""
    touched = update(Claim).where(Claim.practice_id == practice_id, Claim.external_id.in_(changed_claims(practice_id)))
    session.execute(touched.values(version=Claim.version + 1), execution_options={"synchronize_session": False})
    for record, name in session.execute(select(_FOUND.c.record, _FOUND.c.field).distinct().order_by("record", "field")):
        _take(session, practice_id, record, name)
    session.expire_all()
    facts = {"changes": counts, "changes_sha256": _digest(session)}
    subject = Subject.practice(practice_id)
    entry_id = audit.record(session, "import.changes_taken", subject, by=by, now=now, **facts)
    rows = select(literal(practice_id), literal(entry_id), *_in_order().selected_columns).order_by(*_ORDER)
    columns = ["practice_id", "entry_id", *(column.name for column in _in_order().selected_columns)]
    session.execute(insert(ImportChange).from_select(columns, rows))


def _take(session: Session, practice_id: int, record: str, name: str) -> None:
    """Write one field of all records of a kind."""
    if record == "claim":
        statement = _claim_field(practice_id, name)
    elif record == "line":
        number = Claim.external_id + literal(" / ") + func.concat(LineItem.number)
        of_line = and_(LineItem.practice_id == practice_id, Claim.practice_id == practice_id)
        statement = update(LineItem).where(of_line, LineItem.claim_id == Claim.id, number == _FOUND.c.number)
        statement = statement.values({name: _FOUND.c.new})
    else:
        table = _RECORDS[record]
        of_row = (table.practice_id == practice_id, table.external_id == _FOUND.c.number)
        statement = update(table).where(*of_row).values({name: cast(_FOUND.c.new, getattr(table, name).type)})
    named = statement.where(_FOUND.c.record == record, _FOUND.c.field == name)
    session.execute(named, execution_options={"synchronize_session": False})


def _claim_field(practice_id: int, name: str) -> Any:
    of_claim = update(Claim).where(Claim.practice_id == practice_id, Claim.external_id == _FOUND.c.number)
    if name in CLAIM_REFERENCES:
        table, _, column, _ = CLAIM_REFERENCES[name]
        named = select(table.id).where(table.practice_id == practice_id, table.external_id == _FOUND.c.new)
        return of_claim.values({column.key: named.scalar_subquery()})
    assert name in STAGED_CLAIM_COLUMNS
    column = getattr(Claim, name)
    if name in _AMOUNTS:
        return of_claim.values({name: cast(func.replace(_FOUND.c.new, ".", ""), column.type)})
    values: dict[str, Any] = {name: cast(_FOUND.c.new, column.type)}
    if name == "hold":  # an import's hold has no user, reason or last day
        values |= {"hold_by": None, "hold_at": None, "hold_until": None, "hold_reason": None}
    if name == "billing_status":
        values["reopened"] = False
    return of_claim.values(values)


def _in_order() -> Select[Any]:
    of = _FOUND.c
    return select(of.record, of.number, of.field, of.old, of.new).order_by(*_ORDER)


def _digest(session: Session) -> str:
    """Return the SHA-256 of all changes, in order, so that the audit chain covers the old and new values too."""
    digest = hashlib.sha256()
    for row in session.execute(_in_order(), execution_options={"yield_per": _READ_AT_ONCE}):
        digest.update(json.dumps([*row]).encode() + b"\n")
    return digest.hexdigest()
