"""Remember how claims were sent, so that a payer's answer finds its claim and its line."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

_OF_CLAIM: Final = """
    stage_covered v JOIN claim c ON c.practice_id = :practice_id AND c.external_id = v.claim
    LEFT JOIN sent_claim s ON s.practice_id = c.practice_id AND s.claim_id = c.id AND s.payer_order = v.payer_order
"""
_IS_NEWER: Final = "(s.claim_id IS NULL OR v.sent_at > coalesce(s.sent_at, '-infinity'))"
_COUNT: Final = f"SELECT count(DISTINCT c.id) FROM {_OF_CLAIM} WHERE {_IS_NEWER}"  # noqa: S608  constants
_CLAIMS: Final = f"""
    INSERT INTO sent_claim (practice_id, claim_id, payer_order, payer_number, payer_name, member_id, frequency, sent_at,
                            digest)
    SELECT c.practice_id, c.id, v.payer_order, v.payer, v.payer_name, v.member, v.frequency, v.sent_at, v.digest
    FROM {_OF_CLAIM} WHERE {_IS_NEWER} AND v.payer_order IN ('P', 'S', 'T')
    ON CONFLICT (practice_id, claim_id, payer_order) DO UPDATE
    SET payer_number = coalesce(excluded.payer_number, sent_claim.payer_number),
        payer_name = coalesce(excluded.payer_name, sent_claim.payer_name),
        member_id = coalesce(excluded.member_id, sent_claim.member_id), frequency = excluded.frequency,
        sent_at = excluded.sent_at, digest = excluded.digest
"""  # noqa: S608  constants
# A line that the claim does not have, or has with another code, is not the line that was sent. An office's own export
# often has no codes: then the charge tells.
_LINES: Final = """
    INSERT INTO sent_line (practice_id, claim_id, line, control_number, modifiers, service_on)
    SELECT c.practice_id, c.id, i.number, l.control_number, l.modifiers, l.service_on
    FROM stage_sent_line l JOIN stage_picked_copy p ON p.at = l.copy
    JOIN claim c ON c.practice_id = :practice_id AND c.external_id = p.claim
    JOIN line_item i ON i.practice_id = c.practice_id AND i.claim_id = c.id AND i.number = l.number
                    AND (i.procedure_code = l.procedure_code OR i.charge = l.charge
                         AND EXISTS (SELECT FROM stage_known_claim k WHERE k.claim = p.claim AND NOT k.is_own)
                         AND NOT EXISTS (SELECT FROM stage_sent_line o
                                         WHERE o.copy = p.at AND o.procedure_code = i.procedure_code))
    ON CONFLICT (practice_id, claim_id, line) DO UPDATE
    SET control_number = excluded.control_number, modifiers = excluded.modifiers, service_on = excluded.service_on
"""
_TAX_IDS: Final = """
    INSERT INTO own_tax_id (practice_id, tax_id)
    SELECT DISTINCT CAST(:practice_id AS bigint), tax_id FROM stage_sent_copy WHERE tax_id IS NOT NULL
    ON CONFLICT (practice_id, tax_id) DO NOTHING
"""


def count_newer(session: Session, practice_id: int) -> int:
    """Return how many of the practice's claims were sent later than the practice knows, or for the first time."""
    return int(session.scalar(text(_COUNT), {"practice_id": practice_id}) or 0)


def remember_sent(session: Session, practice_id: int) -> None:
    """Store the newest copy of each claim and of its lines, and the tax IDs. The claims exist."""
    for statement in (_CLAIMS, _LINES, _TAX_IDS):
        session.execute(text(statement), {"practice_id": practice_id})
