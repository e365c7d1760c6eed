"""Find one claim by the practice's own number, and its service lines."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import NotFound, or_raise
from core.models.claims import Claim, LineItem
from core.models.practices import Patient


def find(session: Session, practice_id: int, external_id: str) -> Claim:
    """Return the practice's claim with that number. Raise `NotFound`."""
    return or_raise(
        session.scalar(select(Claim).where(Claim.practice_id == practice_id, Claim.external_id == external_id)),
        NotFound(f"There is no claim {external_id[:60]} in this practice."),
    )


def list_line_items(session: Session, practice_id: int, claim_id: int) -> list[LineItem]:
    """Return the service lines of the claim (internal id), by number."""
    of_claim = select(LineItem).where(LineItem.practice_id == practice_id, LineItem.claim_id == claim_id)
    return list(session.scalars(of_claim.order_by(LineItem.number)))


def patient_name(session: Session, claim: Claim) -> str:
    """Return the name of the claim's patient."""
    this = (Patient.practice_id == claim.practice_id, Patient.id == claim.patient_id)
    return session.scalars(select(Patient.name).where(*this)).one()


def patient_number(session: Session, claim: Claim) -> str:
    """Return the practice's own number for the claim's patient."""
    this = (Patient.practice_id == claim.practice_id, Patient.id == claim.patient_id)
    return session.scalars(select(Patient.external_id).where(*this)).one()
