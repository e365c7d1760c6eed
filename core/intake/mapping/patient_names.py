"""Take one name for each patient, if rows in an office's file spell it in different ways."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.counting import counted
from core.intake.loading import stages

_CLAIMS_MAX: Final = 3  # named in the warning
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
    SELECT count(DISTINCT d.external_id) AS patients, array_agg(r.claim ORDER BY d.at) AS claims
    FROM dropped d JOIN stage_mapped_row r ON r.at = d.at
""")


def take_newest_names(session: Session) -> list[str]:
    """Keep the name in the row with the latest date of service. Return a warning about the others, without names."""
    stages.analyze(session, stages.PATIENT.name)
    found = session.execute(_TAKE_NEWEST).one()
    if not found.patients:
        return []
    has = "has" if found.patients == 1 else "have"
    warning = (
        f"{counted(found.patients, 'patient')} {has} more than one name in the file. The name in the row with the "
        f"latest date of service is used. For example, see {_name_claims(found.claims)}."
    )
    return [warning]


def _name_claims(claims: list[str]) -> str:
    *first, last = list(dict.fromkeys(claims))[:_CLAIMS_MAX]
    return f"claims {', '.join(first)} and {last}" if first else f"claim {last}"
