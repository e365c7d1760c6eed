"""Find one claim by the number that people see, and its line items."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models.claims import Claim, LineItem
from core.models.practices import Patient


def find(session: Session, practice_id: int, external_id: str) -> Claim:
    """The practice's claim of that number; raises `NotFound`, also where it is another practice's."""
    claim = session.scalar(select(Claim).where(Claim.practice_id == practice_id, Claim.external_id == external_id))
    if claim is None:
        raise NotFound(f"There is no claim {external_id[:60]} in this practice.")
    return claim


def lines(session: Session, practice_id: int, claim_id: int) -> list[LineItem]:
    """The line items of the claim (its internal id), by number."""
    of_claim = select(LineItem).where(LineItem.practice_id == practice_id, LineItem.claim_id == claim_id)
    return list(session.scalars(of_claim.order_by(LineItem.number)))


def patient_number(session: Session, claim: Claim) -> str:
    """The practice's own number of the claim's patient."""
    this = (Patient.practice_id == claim.practice_id, Patient.id == claim.patient_id)
    return session.scalars(select(Patient.external_id).where(*this)).one()
