"""Fit the staged claims to those that the practice has, so that a claim sent again changes nothing by itself.

An 837 says what was sent. It does not say what happened since, so the practice's statuses, holds and amounts stay. If
another kind of file brought a claim in with the same charge, its lines and payers are only remembered for matching.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.intake.loading.claim_numbers import JOINS

_KNOWN: Final = f"""
    CREATE TEMP TABLE stage_known_claim ON COMMIT DROP AS
    SELECT c.*, s.external_id AS claim, k.external_id AS patient, k.name AS patient_name, k.birth_date,
           o.external_id AS office, b.external_id AS billing_provider, u.external_id AS supervising_provider,
           f.external_id AS primary_payer, g.external_id AS secondary_payer,
           EXISTS (SELECT FROM posting p WHERE p.practice_id = c.practice_id AND p.claim_id = c.id
                   AND p.source = 'x12') AS is_own,
           sent.to_primary_at, sent.to_secondary_at
    FROM stage_claim s
    JOIN claim c ON c.practice_id = :practice_id AND c.external_id = s.external_id{JOINS}
    LEFT JOIN (SELECT practice_id, claim_id, max(sent_at) FILTER (WHERE payer_order = 'P') AS to_primary_at,
                      max(sent_at) FILTER (WHERE payer_order = 'S') AS to_secondary_at
               FROM sent_claim WHERE practice_id = :practice_id GROUP BY practice_id, claim_id) sent
        ON sent.practice_id = c.practice_id AND sent.claim_id = c.id
"""  # noqa: S608  constants
# Another kind of file charged these claims another amount. One of the two is wrong, so nothing is taken over.
_DIFFERENT: Final = """
    CREATE TEMP TABLE stage_different ON COMMIT DROP AS
    SELECT p.at, known.claim, known.billed AS cents, p.charge AS file_cents
    FROM stage_known_claim known JOIN stage_picked_copy p ON p.claim = known.claim
    WHERE NOT known.is_own AND known.billed <> p.charge
"""
_DROP_DIFFERENT: Final = (
    "DELETE FROM stage_claim WHERE external_id IN (SELECT claim FROM stage_different)",
    *(
        f"DELETE FROM {stage} WHERE claim IN (SELECT claim FROM stage_different)"  # noqa: S608  constants
        for stage in ("stage_line", "stage_posting", "stage_covered", "stage_picked_copy", "stage_known_claim")
    ),
)
# The same person, whatever number the files give the patient: the same date of birth, or the same name.
_SAME_PATIENT: Final = """
    UPDATE stage_claim s SET patient = known.patient
    FROM stage_known_claim known, stage_patient p
    WHERE known.claim = s.external_id AND p.external_id = s.patient AND s.patient <> known.patient
      AND (p.birth_date = known.birth_date
           OR regexp_replace(lower(p.name), '[^a-z]', '', 'g')
              = regexp_replace(lower(known.patient_name), '[^a-z]', '', 'g'))
"""
_KEEP: Final = """
    UPDATE stage_claim s
    SET service_time = known.service_time,
        billing_status = CASE WHEN known.billing_status = 'Not Submitted' THEN s.billing_status
                              ELSE known.billing_status END,
        primary_status = CASE WHEN known.primary_status = 'none' OR known.primary_status = 'Rejected'
                               AND picked.destination = 'P' AND picked.sent_at > known.to_primary_at
                              THEN s.primary_status ELSE known.primary_status END,
        secondary_status = CASE WHEN known.secondary_status = 'none' OR known.secondary_status = 'Rejected'
                                 AND picked.destination = 'S' AND picked.sent_at > known.to_secondary_at
                                THEN s.secondary_status ELSE known.secondary_status END,
        hold = coalesce(known.hold, s.hold), allowed = known.allowed, expected = known.expected,
        first_edi_on = least(known.first_edi_on, s.first_edi_on),
        last_edi_on = greatest(known.last_edi_on, s.last_edi_on),
        statements_sent = known.statements_sent, last_statement_on = known.last_statement_on,
        denied_on = known.denied_on, denial_group = known.denial_group, denial_carc = known.denial_carc,
        primary_payer = coalesce(s.primary_payer, known.primary_payer),
        secondary_payer = coalesce(s.secondary_payer, known.secondary_payer),
        supervising_provider = coalesce(s.supervising_provider, known.supervising_provider)
    FROM stage_known_claim known, stage_picked_copy picked
    WHERE known.claim = s.external_id AND picked.claim = s.external_id
"""
# Files of another kind brought these claims in, with their charges and the office's own numbers.
_KEEP_OTHERS: Final = """
    UPDATE stage_claim s
    SET office = known.office, billing_provider = known.billing_provider, claim_type = known.claim_type,
        supervising_provider = known.supervising_provider, service_date = known.service_date,
        primary_payer = coalesce(known.primary_payer, s.primary_payer),
        secondary_payer = coalesce(known.secondary_payer, s.secondary_payer)
    FROM stage_known_claim known
    WHERE known.claim = s.external_id AND NOT known.is_own
"""
_DROP_CHARGES_OF_OTHERS: Final = tuple(
    f"DELETE FROM {stage} WHERE claim IN (SELECT claim FROM stage_known_claim WHERE NOT is_own)"  # noqa: S608  constants
    for stage in ("stage_line", "stage_posting")
)
# A void asks for a look at the claim. No charge is reversed: only the payer's answer shows what the void did.
_HOLD_VOIDED: Final = """
    INSERT INTO stage_difference (at, record, number, field, old, new)
    SELECT v.at, 'claim', v.claim, 'hold', NULL, 'hold'
    FROM stage_voided v JOIN claim c ON c.practice_id = :practice_id AND c.external_id = v.claim
    WHERE c.hold IS NULL AND v.claim NOT IN (SELECT claim FROM stage_picked_copy)
"""
_DROP_UNUSED: Final = (
    "DELETE FROM stage_patient WHERE external_id NOT IN (SELECT patient FROM stage_claim)",
    "DELETE FROM stage_office WHERE external_id NOT IN (SELECT office FROM stage_claim)",
    """
    DELETE FROM stage_provider WHERE external_id NOT IN
        (SELECT billing_provider FROM stage_claim UNION
         SELECT supervising_provider FROM stage_claim WHERE supervising_provider IS NOT NULL)
    """,
    """
    DELETE FROM stage_payer WHERE external_id NOT IN
        (SELECT primary_payer FROM stage_claim WHERE primary_payer IS NOT NULL UNION
         SELECT secondary_payer FROM stage_claim WHERE secondary_payer IS NOT NULL)
    """,
)
# An 837 abbreviates names and has no lower case, so it renames no payer, provider or office.
_KEEP_NAMES: Final = (
    """
    UPDATE stage_payer s SET name = k.name, payer_class = k.payer_class
    FROM payer k WHERE k.practice_id = :practice_id AND k.external_id = s.external_id
    """,
    """
    UPDATE stage_provider s SET name = k.name
    FROM provider k WHERE k.practice_id = :practice_id AND k.external_id = s.external_id
    """,
    """
    UPDATE stage_office s SET name = k.name
    FROM office k WHERE k.practice_id = :practice_id AND k.external_id = s.external_id
    """,
    """
    UPDATE stage_patient s SET name = CASE WHEN lower(k.name) = lower(s.name) THEN k.name ELSE s.name END,
        birth_date = coalesce(s.birth_date, k.birth_date)
    FROM patient k WHERE k.practice_id = :practice_id AND k.external_id = s.external_id
    """,
)


def fit_to_known(session: Session, practice_id: int) -> None:
    """Take over what the practice knows better. Remove the charges that another kind of file brought in."""
    for statement in (
        _KNOWN, _DIFFERENT, *_DROP_DIFFERENT, _SAME_PATIENT, _KEEP, _KEEP_OTHERS, *_DROP_CHARGES_OF_OTHERS,
        _HOLD_VOIDED, *_DROP_UNUSED, *_KEEP_NAMES,
    ):  # fmt: skip
        bound = {"practice_id": practice_id} if ":practice_id" in statement else {}
        session.execute(text(statement), bound)
