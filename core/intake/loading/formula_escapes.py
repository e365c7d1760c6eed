"""Read back our own CSV files: remove the apostrophe in front of text that looks like a formula.

If the practice already has an id with the apostrophe, the apostrophe stays. Otherwise, it is removed in every file.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from core.claims.export import FORMULA_SIGNS, SKIPPED_BEFORE_SIGNS
from core.intake.loading import stages
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.practices import BillingStatus, Office, Patient, Payer, Provider

# A minus must come last in a bracket expression, because elsewhere it means a range.
_SIGNS: Final = "".join(sorted(FORMULA_SIGNS, key=lambda sign: sign == "-"))
_GUARDED: Final = f"^'+[{SKIPPED_BEFORE_SIGNS}]*[{_SIGNS}]"
# The table of each id or name column. A reference is treated like the id that it refers to.
_IDS: Final = (
    (stages.BILLING_STATUS, "name", BillingStatus.name),
    (stages.OFFICE, "external_id", Office.external_id),
    (stages.PROVIDER, "external_id", Provider.external_id),
    (stages.PAYER, "external_id", Payer.external_id),
    (stages.PATIENT, "external_id", Patient.external_id),
    (stages.CLAIM, "external_id", Claim.external_id),
    (stages.CLAIM, "patient", Patient.external_id),
    (stages.CLAIM, "office", Office.external_id),
    (stages.CLAIM, "billing_provider", Provider.external_id),
    (stages.CLAIM, "supervising_provider", Provider.external_id),
    (stages.CLAIM, "billing_status", BillingStatus.name),
    (stages.CLAIM, "primary_payer", Payer.external_id),
    (stages.CLAIM, "secondary_payer", Payer.external_id),
    (stages.CHARGED_LINE, "claim", Claim.external_id),
    (stages.CHARGED_LINE, "procedure_code", LineItem.procedure_code),
    (stages.POSTING, "claim", Claim.external_id),
    (stages.POSTING, "source_id", Posting.source_id),
)
_NAMES: Final = ((stages.OFFICE, Office), (stages.PROVIDER, Provider), (stages.PAYER, Payer), (stages.PATIENT, Patient))


def unescape_formulas(session: Session, practice_id: int) -> None:
    """Remove the apostrophes from the staged ids and texts."""
    # Names first, because their rows are found by the id, with or without the apostrophe.
    for stage, table in _NAMES:
        is_its_id = or_(
            table.external_id == stage.c.external_id, table.external_id == _without_apostrophe(stage.c.external_id)
        )
        known = and_(table.practice_id == practice_id, is_its_id, table.name == stage.c.name)
        _unescape_column(session, stage, "name", exists().where(known))
    guarded = {stage: _with_apostrophe(session, stage) for stage in dict.fromkeys(stage for stage, *_ in _IDS)}
    for stage, column, known_id in _IDS:
        if column not in guarded[stage]:
            continue
        of_practice = known_id.class_.practice_id == practice_id
        _unescape_column(session, stage, column, exists().where(of_practice, known_id == stage.c[column]))


def _with_apostrophe(session: Session, stage: Table) -> set[str]:
    """Return the columns with an apostrophe in front of a value. It reads the stage once for all columns."""
    names = [column for of, column, _ in _IDS if of is stage]
    found = select(*(func.bool_or(stage.c[name].startswith("'")) for name in names))
    return {name for name, has_one in zip(names, session.execute(found).one(), strict=True) if has_one}


def _unescape_column(session: Session, stage: Table, column: str, is_known: ColumnElement[bool]) -> None:
    value = stage.c[column]
    guarded = update(stage).where(value.startswith("'"), value.regexp_match(_GUARDED), ~is_known)
    session.execute(guarded.values({column: _without_apostrophe(value)}))


def _without_apostrophe(value: Any) -> Any:
    return func.substr(value, 2)
