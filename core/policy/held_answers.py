"""Whether a payer's answer on a claim (835) waits for a user, as SQL for rules and filters."""

from sqlalchemy import ColumnElement, exists, func, literal_column, select

from core.enums.remittances import Outcome
from core.models.claims import Claim
from core.models.remittances import RemittanceClaim

_IS_HELD = (
    RemittanceClaim.practice_id == Claim.practice_id,
    RemittanceClaim.claim_id == Claim.id,
    RemittanceClaim.outcome == literal_column(f"'{Outcome.HELD}'"),  # so that PostgreSQL can use its index
)


def has_held_answer() -> ColumnElement[bool]:
    """Return whether an answer on the claim is held."""
    return exists().where(*_IS_HELD).correlate(Claim)


def held_in_remittance() -> ColumnElement[int | None]:
    """Return the newest remittance (ID) with a held answer on the claim."""
    return select(func.max(RemittanceClaim.remittance_id)).where(*_IS_HELD).correlate(Claim).scalar_subquery()
