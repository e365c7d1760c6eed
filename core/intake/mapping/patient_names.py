"""Take one name for each patient, if rows in an office's file spell it in different ways."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ARRAY, Text, any_, literal, select, text
from sqlalchemy.orm import Session

from core.counting import counted
from core.intake.loading import stages

_CLAIMS_MAX: Final = 500  # all of them, in practice, because the office corrects each one
# The stage has one patient for each spelling, at its first row. A family may share an account number, so the date of
# birth and the first name must be the same: "Last, First" or "First Last". Other rows stay contradictions.
_TAKE_NEWEST: Final = text("""
    WITH several AS MATERIALIZED (
        SELECT external_id, birth_date FROM stage_patient WHERE birth_date IS NOT NULL GROUP BY 1, 2
        HAVING count(*) > 1 AND count(DISTINCT CASE WHEN name LIKE '%,%' THEN lower(trim(split_part(name, ',', 2)))
            ELSE lower(split_part(trim(name), ' ', 1)) END) = 1
    ), newest AS MATERIALIZED (
        SELECT DISTINCT ON (r.patient, r.birth_date) r.patient, r.birth_date, r.patient_name
        FROM stage_mapped_row r
        JOIN several s ON s.external_id = r.patient AND s.birth_date = r.birth_date
        WHERE r.patient_name IS NOT NULL
        ORDER BY r.patient, r.birth_date, r.service_date DESC NULLS LAST, r.at DESC
    ), dropped AS (
        DELETE FROM stage_patient p USING newest n
        WHERE p.external_id = n.patient AND p.birth_date = n.birth_date AND p.name <> n.patient_name
        RETURNING p.at, p.external_id
    )
    SELECT d.external_id, r.claim FROM dropped d JOIN stage_mapped_row r ON r.at = d.at ORDER BY d.at
""")


def take_newest_names(session: Session) -> list[tuple[str, str]]:
    """Keep the name in the row with the latest date of service. Return patient and claim of each row with another."""
    stages.analyze(session, stages.PATIENT.name)
    return [(patient, claim) for patient, claim in session.execute(_TAKE_NEWEST)]


def warn_of_names(session: Session, unused: Sequence[tuple[str, str]]) -> list[str]:
    """Return a warning about patients with more than one name, without names. Call it after the load."""
    if not unused:
        return []
    patients = sorted({patient for patient, _ in unused})
    number = stages.DIFFERENCE.c.number
    is_name = (stages.DIFFERENCE.c.record == stages.record_of(stages.PATIENT), stages.DIFFERENCE.c.field == "name")
    changed = set(session.scalars(select(number).where(*is_name, number == any_(literal(patients, ARRAY(Text))))))
    claims = [claim for patient, claim in unused if patient not in changed]
    has = "has" if len(patients) == 1 else "have"
    sentences = [
        f"{counted(len(patients), 'patient')} {has} more than one name in the file.",
        "The name in the row with the latest date of service is used.",
    ]
    if changed:
        sentences.append(f"For {counted(len(changed), 'patient')}, it is new here; the list of changes has both names.")
    if claims:
        sentences.append(f"The names in {_name_claims(claims)} are not used. Correct them in your system.")
    return [" ".join(sentences)]


def _name_claims(claims: Sequence[str]) -> str:
    first = list(dict.fromkeys(claims))
    *listed, last = first[:_CLAIMS_MAX]
    if len(first) > _CLAIMS_MAX:
        return f"claims {', '.join([*listed, last])} and {len(first) - _CLAIMS_MAX:,} more"
    return f"claims {', '.join(listed)} and {last}" if listed else f"claim {last}"
