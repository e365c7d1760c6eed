"""Build the stages of an import from the copies of claims: one claim for each number, with its newest lines."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.intake.loading import stages

# The newest copy of each claim. A void has no lines that are owed, so it is never the newest.
_PICKED: Final = """
    CREATE TEMP TABLE stage_picked_copy ON COMMIT DROP AS
    SELECT DISTINCT ON (claim) * FROM stage_sent_copy
    WHERE frequency <> '8'
    ORDER BY claim, sent_at DESC NULLS LAST, at DESC
"""
# The claims that were voided after that, with the practice's claims that are not in the files otherwise.
_VOIDED: Final = """
    CREATE TEMP TABLE stage_voided ON COMMIT DROP AS
    SELECT DISTINCT ON (v.claim) v.* FROM stage_sent_copy v
    LEFT JOIN stage_picked_copy p ON p.claim = v.claim
    WHERE v.frequency = '8'
      AND (p.claim IS NULL OR p.sent_at IS NULL OR v.sent_at > p.sent_at OR (v.sent_at = p.sent_at AND v.at > p.at))
    ORDER BY v.claim, v.sent_at DESC NULLS LAST, v.at DESC
"""
# The practice has a newer copy, so this one must not bring back what it replaced.
_OLDER: Final = """
    CREATE TEMP TABLE stage_older_copy ON COMMIT DROP AS
    SELECT f.claim FROM (SELECT claim, sent_at FROM stage_picked_copy UNION ALL
                         SELECT claim, sent_at FROM stage_voided) f
    JOIN claim c ON c.practice_id = :practice_id AND c.external_id = f.claim
    JOIN sent_claim s ON s.practice_id = c.practice_id AND s.claim_id = c.id
    GROUP BY f.claim HAVING max(f.sent_at) < max(s.sent_at)
"""
_DROP_OLDER: Final = tuple(
    f"DELETE FROM {stage} WHERE claim IN (SELECT claim FROM stage_older_copy)"  # noqa: S608  constants
    for stage in ("stage_picked_copy", "stage_voided")
)
# The patient's ID as the primary payer knows it, if any copy has it.
_PATIENTS_BY_PRIMARY: Final = """
    UPDATE stage_picked_copy p
    SET patient = b.patient, patient_name = b.patient_name, birth_date = b.birth_date
    FROM (SELECT DISTINCT ON (claim) claim, patient, patient_name, birth_date FROM stage_sent_copy
          WHERE by_primary AND frequency <> '8' ORDER BY claim, sent_at DESC NULLS LAST, at DESC) b
    WHERE b.claim = p.claim AND NOT p.by_primary
"""
# A family may share a member ID with each member as the subscriber. One of them keeps the ID alone: the patient that
# the practice has, or the first in the files. A name or a date of birth may be corrected, so both must differ.
_SHARED_IDS: Final = """
    UPDATE stage_picked_copy p SET patient = p.patient || '-' || p.person
    FROM (SELECT c.at, coalesce(k.birth_date, first_value(c.birth_date) OVER of_id) AS birth_date,
                 coalesce(k.name, first_value(c.patient_name) OVER of_id) AS name
          FROM stage_picked_copy c
          LEFT JOIN patient k ON k.practice_id = :practice_id AND k.external_id = c.patient
          WINDOW of_id AS (PARTITION BY c.patient ORDER BY c.at)) owner
    WHERE owner.at = p.at AND owner.birth_date <> p.birth_date
      AND regexp_replace(lower(owner.name), '[^a-z]', '', 'g')
          <> regexp_replace(lower(p.patient_name), '[^a-z]', '', 'g')
"""
_REFERENCES: Final = (
    """
    INSERT INTO stage_patient (at, external_id, name, birth_date)
    SELECT DISTINCT ON (patient) at, patient, patient_name, birth_date FROM stage_picked_copy
    ORDER BY patient, sent_at DESC NULLS LAST, at DESC
    """,
    """
    INSERT INTO stage_office (at, external_id, name)
    SELECT DISTINCT ON (office) at, office, office_name FROM stage_picked_copy
    ORDER BY office, sent_at DESC NULLS LAST, at DESC
    """,
    """
    INSERT INTO stage_provider (at, external_id, name)
    SELECT DISTINCT ON (id) at, id, name
    FROM (SELECT at, sent_at, provider AS id, provider_name AS name FROM stage_picked_copy
          UNION ALL SELECT at, sent_at, supervising, supervising_name FROM stage_picked_copy) p
    WHERE id IS NOT NULL ORDER BY id, sent_at DESC NULLS LAST, at DESC
    """,
)
# Each payer of each claim as the newest copy names it, with the newest copy that was sent to it.
_COVERED: Final = """
    CREATE TEMP TABLE stage_covered ON COMMIT DROP AS
    SELECT DISTINCT ON (c.claim, v.payer_order) c.claim, v.*, sent.sent_at, sent.digest, sent.frequency
    FROM stage_coverage v JOIN stage_sent_copy c ON c.at = v.copy
    LEFT JOIN (SELECT DISTINCT ON (claim, destination) claim, destination, sent_at, digest, frequency
               FROM stage_sent_copy ORDER BY claim, destination, sent_at DESC NULLS LAST, at DESC) sent
        ON sent.claim = c.claim AND sent.destination = v.payer_order
    WHERE c.claim NOT IN (SELECT claim FROM stage_older_copy)
    ORDER BY c.claim, v.payer_order, v.payer IS NULL, c.sent_at DESC NULLS LAST, c.at DESC
"""
# A payer has one class, so the class on most of its claims counts.
_PAYERS: Final = """
    INSERT INTO stage_payer (at, external_id, name, payer_class)
    SELECT max(at), payer, (array_agg(payer_name ORDER BY sent_at DESC NULLS LAST, at DESC))[1],
           mode() WITHIN GROUP (ORDER BY payer_class)
    FROM stage_covered
    WHERE payer IS NOT NULL AND payer_order IN ('P', 'S') AND claim IN (SELECT claim FROM stage_picked_copy)
    GROUP BY payer
"""
_CLAIMS: Final = """
    INSERT INTO stage_claim (at, external_id, patient, office, billing_provider, supervising_provider, claim_type,
        service_date, billing_status, primary_payer, primary_status, secondary_payer, secondary_status, hold,
        first_edi_on, last_edi_on)
    SELECT p.at, p.claim, p.patient, p.office, p.provider, p.supervising, p.claim_type, p.service_date,
           CASE WHEN p.destination = 'P' THEN 'Bill Insurance' ELSE 'Bill Secondary Insurance' END,
           first.payer, CASE WHEN sent.to_primary THEN 'In Process at Clearinghouse' ELSE 'none' END,
           second.payer, CASE WHEN sent.to_secondary THEN 'In Process at Clearinghouse' ELSE 'none' END,
           CASE WHEN p.claim IN (SELECT claim FROM stage_voided) THEN 'hold' END, sent.first_on, sent.last_on
    FROM stage_picked_copy p
    JOIN (SELECT claim, bool_or(destination = 'P') AS to_primary, bool_or(destination = 'S') AS to_secondary,
                 min(sent_on) AS first_on, max(sent_on) AS last_on
          FROM stage_sent_copy GROUP BY claim) sent ON sent.claim = p.claim
    LEFT JOIN stage_covered first ON first.claim = p.claim AND first.payer_order = 'P'
    LEFT JOIN stage_covered second ON second.claim = p.claim AND second.payer_order = 'S'
"""
_LINES: Final = """
    INSERT INTO stage_line (at, claim, number, procedure_code)
    SELECT l.at, p.claim, l.number, l.procedure_code FROM stage_sent_line l JOIN stage_picked_copy p ON p.at = l.copy
"""
# The ID has no file in it, so a charge is posted once, however often the claim is sent.
_CHARGES: Final = """
    INSERT INTO stage_posting (at, source_id, claim, line, responsibility, kind, amount_cents, posted_on)
    SELECT l.at, 'charge:' || p.claim || ':' || l.number, p.claim, l.number, 'insurance', 'charge', l.charge,
           p.service_date
    FROM stage_sent_line l JOIN stage_picked_copy p ON p.at = l.copy
    WHERE l.charge > 0
"""


def build_stages(session: Session, practice_id: int) -> None:
    """Fill the stages of offices, providers, payers, patients, claims, lines and charges."""
    session.execute(text(_PICKED))
    session.execute(text(_VOIDED))
    session.execute(text(_OLDER), {"practice_id": practice_id})
    for statement in (*_DROP_OLDER, _PATIENTS_BY_PRIMARY):
        session.execute(text(statement))
    session.execute(text(_SHARED_IDS), {"practice_id": practice_id})
    for statement in _REFERENCES:
        session.execute(text(statement))
    stages.analyze(session, "stage_picked_copy")
    for statement in (_COVERED, _PAYERS, _CLAIMS, _LINES, _CHARGES):
        session.execute(text(statement))
    stages.analyze(session, "stage_covered")
