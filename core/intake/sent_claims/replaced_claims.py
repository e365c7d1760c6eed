"""Find the claims that replacements and voids with a number of their own belong to, so that none is charged twice.

A sender may give a replacement or void a number of its own. Then the payer's number of the original (REF*F8) finds it.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.intake.sent_claims.given_numbers import stage_given_numbers
from core.intake.sent_claims.read_files import SentOrigin, X12File
from core.x12.problems import Fault, Problem

_IS_KNOWN: Final = "EXISTS (SELECT FROM claim k WHERE k.practice_id = :practice_id AND k.external_id = s.claim)"
# The numbers of replacements, with the claim that each belongs to: those of earlier imports, and new ones.
_KNOWN: Final = f"""
    CREATE TEMP TABLE stage_sent_number ON COMMIT DROP AS
    SELECT DISTINCT n.number, c.external_id AS claim
    FROM stage_sent_copy s JOIN sent_number n ON n.practice_id = :practice_id AND n.number = s.claim
    JOIN claim c ON c.practice_id = n.practice_id AND c.id = n.claim_id
    WHERE NOT {_IS_KNOWN}
"""  # noqa: S608  constants
# Numbers of two payers may be equal, so the patient must be the same too. The original may be in these files as well.
_BY_PAYER_NUMBER: Final = f"""
    WITH wanted AS (SELECT DISTINCT replaces FROM stage_sent_copy WHERE replaces <> ''), named AS (
        SELECT n.number, c.external_id AS claim
        FROM (SELECT payer_claim_id AS number, claim_id FROM remittance_claim
              WHERE practice_id = :practice_id AND payer_claim_id IN (SELECT replaces FROM wanted)
              UNION SELECT payer_claim_number, claim_id FROM sent_claim
              WHERE practice_id = :practice_id AND payer_claim_number IN (SELECT replaces FROM wanted)) n
        JOIN claim c ON c.practice_id = :practice_id AND c.id = n.claim_id
        UNION SELECT g.number, coalesce(
            (SELECT min(n.claim) FROM stage_sent_number n WHERE n.number = g.claim),
            (SELECT c.external_id FROM sent_number n JOIN claim c ON c.practice_id = n.practice_id AND c.id = n.claim_id
             WHERE n.practice_id = :practice_id AND n.number = g.claim), g.claim)
        FROM stage_given_number g
    ), original AS (
        SELECT c.external_id AS claim, p.birth_date, p.name
        FROM claim c JOIN patient p ON p.practice_id = c.practice_id AND p.id = c.patient_id
        WHERE c.practice_id = :practice_id AND c.external_id IN (SELECT claim FROM named)
        UNION SELECT claim, birth_date, patient_name FROM stage_sent_copy WHERE frequency NOT IN ('7', '8')
    )
    INSERT INTO stage_sent_number
    SELECT s.claim, min(o.claim)
    FROM stage_sent_copy s JOIN named n ON n.number = s.replaces JOIN original o ON o.claim = n.claim
    WHERE s.frequency IN ('7', '8') AND o.claim <> s.claim AND NOT {_IS_KNOWN}
      AND s.claim NOT IN (SELECT number FROM stage_sent_number)
      AND (o.birth_date = s.birth_date
           OR regexp_replace(lower(o.name), '[^a-z]', '', 'g')
              = regexp_replace(lower(s.patient_name), '[^a-z]', '', 'g'))
    GROUP BY s.claim HAVING count(DISTINCT o.claim) = 1
    RETURNING number
"""  # noqa: S608  constants
_RENUMBER: Final = "UPDATE stage_sent_copy s SET claim = n.claim FROM stage_sent_number n WHERE n.number = s.claim"
# Each copy of a claim that replaces or voids an unknown one, also the copy to another payer. An original that went to
# the same payer in these files is the claim itself.
_UNKNOWN: Final = f"""
    WITH unknown AS (
        SELECT DISTINCT s.claim FROM stage_sent_copy s
        WHERE s.frequency IN ('7', '8') AND NOT {_IS_KNOWN}
          AND NOT EXISTS (SELECT FROM stage_sent_copy o WHERE o.claim = s.claim AND o.frequency NOT IN ('7', '8')
                          AND o.destination = s.destination))
    DELETE FROM stage_sent_copy s USING unknown u WHERE s.claim = u.claim RETURNING s.at, s.claim
"""  # noqa: S608  constants
# An original with the number of a claim on another date of service would overwrite that claim's visit. A replacement
# may change the date, and so may an original that is sent again because the first one was rejected.
_REUSED: Final = """
    DELETE FROM stage_sent_copy s USING claim c
    WHERE c.practice_id = :practice_id AND c.external_id = s.claim AND c.service_date <> s.service_date
      AND s.frequency NOT IN ('7', '8') AND 'Rejected' NOT IN (c.primary_status, c.secondary_status)
      AND EXISTS (SELECT FROM posting p WHERE p.practice_id = c.practice_id AND p.claim_id = c.id AND p.source = 'x12')
      AND NOT EXISTS (SELECT FROM stage_sent_copy r WHERE r.claim = s.claim AND r.frequency = '7')
      AND NOT EXISTS (SELECT FROM sent_claim r WHERE r.practice_id = c.practice_id AND r.claim_id = c.id
                      AND r.frequency = '7')
    RETURNING s.at, s.claim
"""
# One number for two patients or two visits: taking the newest copy would lose the charges of the other. The place of
# the other copy goes with each.
_SHARED: Final = """
    WITH shared AS (
        SELECT claim, min(at) AS first_at, max(at) AS last_at,
               count(DISTINCT birth_date) > 1 AND count(DISTINCT patient_name) > 1 AS has_two_patients,
               count(DISTINCT service_date) FILTER (WHERE frequency NOT IN ('7', '8')) > 1 AS has_two_visits
        FROM stage_sent_copy GROUP BY claim)
    DELETE FROM stage_sent_copy s USING shared h
    WHERE s.claim = h.claim AND (h.has_two_patients OR h.has_two_visits)
    RETURNING s.at, s.claim, h.has_two_patients, CASE WHEN s.at = h.first_at THEN h.last_at ELSE h.first_at END AS other
"""
_REMEMBER: Final = """
    INSERT INTO sent_number (practice_id, number, claim_id)
    SELECT c.practice_id, n.number, c.id
    FROM stage_sent_number n JOIN claim c ON c.practice_id = :practice_id AND c.external_id = n.claim
    ON CONFLICT (practice_id, number) DO NOTHING
"""


def find_replaced(session: Session, practice_id: int, origin: SentOrigin, files: Sequence[X12File]) -> list[Fault]:
    """Give the staged copies the numbers of the claims that they replace.

    The acknowledgments are staged. Remove copies of unknown claims, of other visits than the practice's claim with the
    number, and of claims that share a number. Return their places.
    """
    bound = {"practice_id": practice_id}
    session.execute(text(_KNOWN), bound)
    stage_given_numbers(session, practice_id, files)
    while session.scalars(text(_BY_PAYER_NUMBER), bound).all():
        pass  # a replacement of a replacement is found after the first one
    session.execute(text(_RENUMBER))
    found = [
        origin.leave_out(at, problem, claim)
        for problem, statement in ((Problem.UNKNOWN_ORIGINAL, _UNKNOWN), (Problem.REUSED_NUMBER, _REUSED))
        for at, claim in sorted(session.execute(text(statement), bound).all())
    ]
    return found + [_shared(origin, row) for row in sorted(session.execute(text(_SHARED)).all())]


def _shared(origin: SentOrigin, row: Any) -> Fault:
    problem = Problem.TWO_PATIENTS if row.has_two_patients else Problem.TWO_VISITS
    file, segment = origin.place(row.other)
    return origin.leave_out(row.at, problem, row.claim, detail=f"also {file}, segment {segment:,}")


def remember_numbers(session: Session, practice_id: int) -> None:
    """Store the numbers of replacements, so that a payer's answer under them finds the claim."""
    session.execute(text(_REMEMBER), {"practice_id": practice_id})
