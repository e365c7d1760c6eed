"""Take one name for each patient, if rows in an office's file spell it in different ways."""

from typing import Final, NamedTuple

from sqlalchemy import ARRAY, Text, any_, func, literal, select, text
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
    SELECT array_agg(DISTINCT d.external_id) AS patients, array_agg(r.claim ORDER BY d.at) AS claims
    FROM dropped d JOIN stage_mapped_row r ON r.at = d.at
""")


class SeveralNames(NamedTuple):
    """The patients with more than one name, and claims with a name that is not used."""

    patients: list[str]
    claims: list[str]


def take_newest_names(session: Session) -> SeveralNames | None:
    """Keep the name in the row with the latest date of service. Return the patients with other names, if any."""
    stages.analyze(session, stages.PATIENT.name)
    found = session.execute(_TAKE_NEWEST).one()
    return SeveralNames(*found) if found.patients else None


def warn_of_names(session: Session, several: SeveralNames | None) -> list[str]:
    """Return a warning about patients with more than one name, without names. Call it after the load."""
    if several is None:
        return []
    patients = len(several.patients)
    found = stages.DIFFERENCE.c
    is_name = (found.record == stages.record_of(stages.PATIENT), found.field == "name")
    changed = session.scalars(
        select(func.count()).where(*is_name, found.number == any_(literal(several.patients, ARRAY(Text))))
    ).one()
    listed = ""
    if changed:
        listed = f" For {counted(changed, 'patient')}, it is new here; the list of changes has both names."
    has = "has" if patients == 1 else "have"
    warning = (
        f"{counted(patients, 'patient')} {has} more than one name in the file. The name in the row with the latest "
        f"date of service is used.{listed} For example, see {_name_claims(several.claims)}."
    )
    return [warning]


def _name_claims(claims: list[str]) -> str:
    *first, last = list(dict.fromkeys(claims))[:_CLAIMS_MAX]
    return f"claims {', '.join(first)} and {last}" if first else f"claim {last}"
