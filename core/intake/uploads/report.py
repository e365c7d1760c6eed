"""What an import's check found: counts, control totals, the first claims, or the faults grouped by kind."""

from typing import Any, Final

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core.intake.csv import csv_format
from core.intake.loading import stages
from core.intake.loading.load import Imported
from core.intake.parsing.faults import EXAMPLES_MAX, REDACTED, Fault, Mistake
from core.intake.synthea import synthea_format
from core.models.claims import Claim
from core.models.imports import ImportSource
from core.models.practices import Patient, Payer

CLAIMS_SHOWN: Final = 10
PLACES_KEPT_MAX: Final = 10_000  # of all mistakes together
# What must be equal in the check and in the import, so that what the user saw is what comes in.
_CONFIRMED: Final = ("source", "added", "left_out", "totals", "dates")
_SYNTHEA_FILES: Final = frozenset(
    {
        *(file.name for file in (synthea_format.ORGANIZATIONS, synthea_format.PROVIDERS, synthea_format.PAYERS)),
        synthea_format.PATIENTS.name,
        "claims.csv",
        "claims_transactions.csv",
    }
)
_KNOWN_FILES: Final = {
    ImportSource.CSV: frozenset(file.name for file in csv_format.FORMATS),
    ImportSource.SYNTHEA: _SYNTHEA_FILES,
}


def guess_source(names: list[str]) -> ImportSource:
    """Return the kind of files by their names."""
    return ImportSource.SYNTHEA if "claims_transactions.csv" in names else ImportSource.CSV


def files_read(names: list[str], source: ImportSource, imported: Imported | None = None) -> dict[str, Any]:
    """Return which files were recognized, with their rows if they were read, and which were ignored."""
    rows = imported.rows_read if imported else {}
    known = _KNOWN_FILES[source]
    read = [
        {"name": name, **({"rows": rows[name].read, "empty": rows[name].empty} if name in rows else {})}
        for name in sorted(names)
        if name in known
    ]
    return {"source": source.value, "read": read, "ignored": sorted(set(names) - known)}


def of_imported(session: Session, practice_id: int, imported: Imported) -> dict[str, Any]:
    """Return the report of loaded rows, while their stages exist."""
    assert imported.summary is not None, "only a load with `check_only` has none"
    claim = stages.CLAIM.c
    first, last = session.execute(select(func.min(claim.service_date), func.max(claim.service_date))).one()
    return {
        "nothing_new": imported.nothing_new,
        "added": imported.added,
        "already_there": imported.already_there,
        "left_out": imported.left_out,
        "totals": imported.summary.facts(),
        "dates": [first.isoformat(), last.isoformat()] if first else None,
        "first_claims": _first_claims(session, practice_id),
    }


def _first_claims(session: Session, practice_id: int) -> list[dict[str, Any]]:
    """Return the first new claims in the order of the file, with their balances."""
    claims = (
        select(
            Claim.external_id, Patient.name.label("patient"), Claim.service_date, Payer.name.label("payer"),
            Claim.insurance_due, Claim.patient_due,
        )
        .join(stages.CLAIM, and_(Claim.practice_id == practice_id, Claim.id == stages.CLAIM.c.id))
        .join(Patient, and_(Patient.practice_id == practice_id, Patient.id == Claim.patient_id))
        .outerjoin(Payer, and_(Payer.practice_id == practice_id, Payer.id == Claim.primary_payer_id))
        .order_by(stages.CLAIM.c.at)
        .limit(CLAIMS_SHOWN)
    )  # fmt: skip
    return [
        {
            "claim_id": row.external_id,
            "patient": row.patient,
            "service_date": row.service_date.isoformat(),
            "primary_payer": row.payer,
            "insurance_cents": row.insurance_due,
            "patient_cents": row.patient_due,
        }
        for row in session.execute(claims)
    ]


def of_faults(mistakes: list[Mistake]) -> dict[str, Any]:
    """Return the report of refused files: one group for each kind of mistake, most important first."""
    of_each = max(EXAMPLES_MAX, PLACES_KEPT_MAX // max(1, len(mistakes)))
    return {"faults": [_group(mistake, mistake.places[:of_each]) for mistake in mistakes]}


def with_first_places(report: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the report with only the first places of each mistake."""
    if not report or "faults" not in report:
        return report
    return {**report, "faults": [{**one, "places": one["places"][:EXAMPLES_MAX]} for one in report["faults"]]}


def _group(mistake: Mistake, places: list[Fault]) -> dict[str, Any]:
    first = mistake.first[0]
    return {
        "kind": first.kind.name.lower(),
        "file": first.file,
        "columns": mistake.columns,
        "count": mistake.count,
        "cure": first.cure,
        "places": [_place(fault) for fault in places],
        "sentence": str(mistake),
    }


def _place(fault: Fault) -> dict[str, Any]:
    value = "" if fault.value in (None, REDACTED) else fault.value
    return {"line": fault.line, "column": fault.column, "value": value, "note": fault.note}


def same_result(before: dict[str, Any] | None, after: dict[str, Any]) -> bool:
    """Return whether an import would bring in what its check showed."""
    return before is not None and all(before.get(name) == after.get(name) for name in _CONFIRMED)
