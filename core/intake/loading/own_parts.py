"""The part of a total that was posted in Batch Settle: the export repeats it, so the total is recognized with it."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core.intake.loading.corrections_sql import POSTINGS_SOURCE
from core.intake.loading.known_postings import CORRECTION
from core.ledger import write_offs
from core.models.claims import Claim
from core.models.ledger import Posting


class ImportedParts(NamedTuple):
    """What the ledger has of some totals from imports, and the lines with an unreversed write-off."""

    cents: dict[str, int]  # by posting id, with the corrections of each
    written_off: set[tuple[str, int]]  # claim number and line


def imported_parts(session: Session, practice_id: int, source: str, claim_numbers: Collection[str]) -> ImportedParts:
    """Return what imports posted on these claims."""
    if not claim_numbers:
        return ImportedParts({}, set())
    of_claim = and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
    of_claims = (Posting.practice_id == practice_id, Claim.external_id.in_(claim_numbers))
    posting_id = func.split_part(Posting.source_id, CORRECTION, 1)
    sums = select(posting_id, func.sum(Posting.amount_cents)).join(Claim, of_claim).group_by(posting_id)
    imported = sums.where(*of_claims, Posting.source.in_({source, POSTINGS_SOURCE}))
    lines = select(Claim.external_id, Posting.line).join(Claim, of_claim).where(*of_claims, write_offs.is_unreversed())
    return ImportedParts(
        {posting_id: int(cents) for posting_id, cents in session.execute(imported)},
        {(number, line) for number, line in session.execute(lines)},
    )
