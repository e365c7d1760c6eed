"""Find patients whose name or date of birth the office corrected, if its file has no patient IDs."""

from typing import Final

from sqlalchemy import Row, text, update
from sqlalchemy.orm import Session

from core.intake.loading import stages

# A generated number is derived from the name and the date of birth, so a correction changes it. The new number belongs
# to a known patient if all its existing claims are that patient's, and neither number is used for a different patient.
_CORRECTED: Final = text("""
    WITH known AS (
        SELECT DISTINCT s.patient AS new, p.external_id AS old, p.name AS old_name, p.birth_date AS old_birth
        FROM stage_claim s
        JOIN claim c ON c.practice_id = :practice AND c.external_id = s.external_id
        JOIN patient p ON p.practice_id = c.practice_id AND p.id = c.patient_id
    ), single AS (
        SELECT k.*, count(*) OVER (PARTITION BY new) AS patients, count(*) OVER (PARTITION BY old) AS numbers
        FROM known k
    )
    SELECT k.new, k.old, k.old_name, k.old_birth, s.name AS new_name, s.birth_date AS new_birth
    FROM single k JOIN stage_patient s ON s.external_id = k.new
    WHERE k.new <> k.old AND k.patients = 1 AND k.numbers = 1
        AND starts_with(k.new, :made) AND starts_with(k.old, :made)
        AND NOT EXISTS (SELECT FROM patient p WHERE p.practice_id = :practice AND p.external_id = k.new)
        AND NOT EXISTS (SELECT FROM stage_patient o WHERE o.external_id = k.old)
""")


def keep_made_numbers(session: Session, practice_id: int, *, made: str) -> None:
    """Keep the known number of a patient whose name or date of birth was corrected, so that the change is listed.

    `made` is the prefix of generated numbers. Two patients with nothing in common stay separate.
    """
    for found in session.execute(_CORRECTED, {"practice": practice_id, "made": made}).all():
        if _is_same_person(found):
            claim, patient = stages.CLAIM, stages.PATIENT
            session.execute(update(claim).where(claim.c.patient == found.new).values(patient=found.old))
            session.execute(update(patient).where(patient.c.external_id == found.new).values(external_id=found.old))


def _is_same_person(found: Row[tuple[str, ...]]) -> bool:
    """Return whether the date of birth or a word of the name is the same."""
    if found.new_birth is not None and found.new_birth == found.old_birth:
        return True
    return bool(_words(found.new_name) & _words(found.old_name))


def _words(name: str) -> set[str]:
    """Return the words of the name, without initials."""
    return {word for word in name.casefold().replace(",", " ").replace(".", " ").split() if len(word) > 1}
