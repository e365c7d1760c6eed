"""The balances that a job leaves open on the claims it settles, because the Balance Writeoff setting excludes them."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Label, and_, func, not_

from core.counting import counted
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.money import format_cents


class StaysOpen(BaseModel):
    """The balances that stay open on claims whose status becomes Settled."""

    insurance_cents: int = 0
    insurance_claims: int = 0
    patient_cents: int = 0
    patient_claims: int = 0


def columns() -> list[Label[Any]]:
    """Return the sums for a statement that joins the items to settle with their claims, named as in `StaysOpen`."""
    return [
        *_of_side("insurance", Claim.insurance_due.expression, JobItem.settles_insurance.expression),
        *_of_side("patient", Claim.patient_due.expression, JobItem.settles_patient.expression),
    ]


def _of_side(name: str, due: ColumnElement[int], settles: ColumnElement[bool]) -> list[Label[Any]]:
    stays_open = and_(not_(settles), due > 0)
    return [
        func.coalesce(func.sum(due).filter(stays_open), 0).label(f"open_{name}_cents"),
        func.count().filter(stays_open).label(f"open_{name}_claims"),
    ]


def total(rows: Iterable[Any]) -> StaysOpen:
    """Add up the rows of a statement with these `columns`."""
    found = StaysOpen()
    for row in rows:
        found.insurance_cents += int(row.open_insurance_cents)
        found.insurance_claims += row.open_insurance_claims
        found.patient_cents += int(row.open_patient_cents)
        found.patient_claims += row.open_patient_claims
    return found


def describe(job: SettleJob) -> str:
    """Return a sentence for each kind of balance that stays open, or an empty string.

    It is also empty if an earlier version made the preview, because that version did not add these balances up.
    """
    frozen = (job.preview or {}).get("stays_open")
    if not frozen:
        return ""
    found = StaysOpen.model_validate(frozen)
    sides = (
        ("insurance", found.insurance_cents, found.insurance_claims),
        ("patient", found.patient_cents, found.patient_claims),
    )
    return " ".join(
        f"{format_cents(cents)} in {side} balances will stay open on {counted(claims, 'claim')}, {_because(job)}."
        for side, cents, claims in sides
        if cents
    )


def _because(job: SettleJob) -> str:
    if job.provider_settings:
        return "because of the Balance Writeoff settings of your practice and its billing providers"
    return f"because the Balance Writeoff setting is {job.setting.capitalize()}"
