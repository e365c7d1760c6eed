"""Claims that may be the one of a held answer, for a user to match."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core.models.claims import Claim
from core.models.practices import Patient
from core.models.remittances import RemittanceClaim

CANDIDATES_MAX: Final = 20


@dataclass(frozen=True)
class Candidate:
    """A claim with the charge and a date of service of an answer. Amounts are cents."""

    claim: str
    patient_name: str = field(repr=False)
    patient_id: str
    service_on: dt.date
    charge_cents: int
    insurance_cents: int
    patient_cents: int


def list_candidates(session: Session, practice_id: int, remittance_id: int, ordinal: int) -> list[Candidate]:
    """Return the candidates of an answer. Those of the patient with its member ID or name are first."""
    row = session.get_one(RemittanceClaim, (practice_id, remittance_id, ordinal))
    of_patient = and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id)
    is_patient = (Patient.external_id == row.member_id, func.lower(Patient.name) == row.patient_name.lower())
    found = (
        select(
            Claim.external_id, Patient.name, Patient.external_id, Claim.service_date, Claim.billed,
            Claim.insurance_due, Claim.patient_due,
        )
        .join(Patient, of_patient)
        .where(Claim.practice_id == practice_id, Claim.billed == abs(row.charge_cents))
        .order_by(*(one.desc() for one in is_patient), Claim.service_date.desc(), Claim.id)
        .limit(CANDIDATES_MAX)
    )  # fmt: skip
    if row.first_on is not None:
        found = found.where(Claim.service_date.between(row.first_on, row.last_on))
    return [Candidate(*each) for each in session.execute(found)]
