"""The records that a staged claim names."""

from typing import Any, Final, NamedTuple

from sqlalchemy import Table

from core.intake.loading import stages
from core.models.claims import Claim
from core.models.practices import Office, Patient, Payer, Provider


class Reference(NamedTuple):
    """A record that a column of a staged claim names by its number."""

    table: Any
    stage: Table
    column: Any  # of the practice's claim
    is_required: bool = True


CLAIM_REFERENCES: Final = {
    "patient": Reference(Patient, stages.PATIENT, Claim.patient_id),
    "office": Reference(Office, stages.OFFICE, Claim.office_id),
    "billing_provider": Reference(Provider, stages.PROVIDER, Claim.billing_provider_id),
    "supervising_provider": Reference(Provider, stages.PROVIDER, Claim.supervising_provider_id, is_required=False),
    "primary_payer": Reference(Payer, stages.PAYER, Claim.primary_payer_id, is_required=False),
    "secondary_payer": Reference(Payer, stages.PAYER, Claim.secondary_payer_id, is_required=False),
}
