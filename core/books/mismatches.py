"""The flag that blocks a claim from settling while its balance and its ledger disagree."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.books.check import of_practice
from core.books.invariants_balances import BALANCE_DIFFERS

# The invariants that find the claims to flag.
FLAGGED_FOR: Final = {"lines_equal_postings", "claims_equal_lines"}
_FLAG = text(
    f"""WITH differs AS ({BALANCE_DIFFERS}), stale AS (
            SELECT c.practice_id, c.id, d.claim_id IS NOT NULL AS mismatch
            FROM claim c LEFT JOIN differs d ON d.practice_id = c.practice_id AND d.claim_id = c.id
            WHERE (CAST(:practice_id AS bigint) IS NULL OR c.practice_id = :practice_id)
              AND c.balance_mismatch <> (d.claim_id IS NOT NULL)
            ORDER BY c.practice_id, c.id FOR NO KEY UPDATE OF c
        )
        UPDATE claim c SET balance_mismatch = s.mismatch, version = c.version + 1
        FROM stale s WHERE c.practice_id = s.practice_id AND c.id = s.id RETURNING c.id"""
)
_ANY_FLAGGED = text(f"SELECT EXISTS (SELECT FROM claim c WHERE c.balance_mismatch AND {of_practice('c')})")


def flag_mismatches(session: Session, *, practice_id: int | None) -> int:
    """Set the flag on claims whose balance differs from their ledger, and clear it on others. Return how many changed.

    The feed and the preview read the flag. A running job sums the ledger itself.
    """
    return len(session.scalars(_FLAG, {"practice_id": practice_id}).all())


def any_flagged(session: Session, *, practice_id: int | None) -> bool:
    """Return whether a claim has the flag."""
    return bool(session.scalars(_ANY_FLAGGED, {"practice_id": practice_id}).one())
