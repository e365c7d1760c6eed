"""Translate a ClaimFilter to a WHERE clause."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from core.claims import age_buckets, answers
from core.claims.claim_filter import ClaimFilter
from core.db.text_match import contains, is_named
from core.models.claims import Claim
from core.models.practices import Office, Patient, Payer, Provider


def where(practice_id: int, f: ClaimFilter, *, today: dt.date) -> ColumnElement[bool]:
    """Return the condition on `claim` for all keys but `eligibility`, `on_hold` and `in_job`.

    Those three need rules and jobs.
    """
    return and_(
        Claim.practice_id == practice_id,
        *_place_conditions(practice_id, f),
        *_claim_conditions(f),
        *_balance_conditions(f),
        *_date_conditions(f, today),
        *_collection_conditions(f),
        *_answer_conditions(practice_id, f, today),
    )


def _ids(practice_id: int, table: Any, external_ids: Iterable[str]) -> Any:
    return (
        select(table.id).where(table.practice_id == practice_id, table.external_id.in_(external_ids)).scalar_subquery()
    )


def _place_conditions(practice_id: int, f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    if f.office:
        yield Claim.office_id.in_(_ids(practice_id, Office, f.office))
    if f.billing_provider:
        yield Claim.billing_provider_id.in_(_ids(practice_id, Provider, f.billing_provider))
    if f.supervising_provider:
        yield Claim.supervising_provider_id.in_(_ids(practice_id, Provider, f.supervising_provider))
    if f.patient:
        named = select(Patient.id).where(Patient.practice_id == practice_id, is_named(Patient.name, f.patient))
        yield Claim.patient_id.in_(named)
    if f.patient_id:
        yield Claim.patient_id.in_(_ids(practice_id, Patient, f.patient_id))
    payer = [Payer.practice_id == practice_id]
    if f.payer:
        payer.append(contains(Payer.name, f.payer))
    if f.payer_id:
        payer.append(Payer.external_id == f.payer_id)
    if len(payer) > 1:
        payers = select(Payer.id).where(*payer)
        yield or_(Claim.primary_payer_id.in_(payers), Claim.secondary_payer_id.in_(payers))
    if f.primary_payer_id:
        yield Claim.primary_payer_id.in_(_ids(practice_id, Payer, [f.primary_payer_id]))


def _claim_conditions(f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    if f.billing_status:
        yield Claim.billing_status.in_(f.billing_status)
    if f.claim_status:
        yield or_(
            Claim.primary_status.in_(f.claim_status),
            and_(
                Claim.secondary_payer_id.is_not(None),
                Claim.secondary_status.in_(f.claim_status),
            ),
        )
    if f.claim_type:
        yield Claim.claim_type == f.claim_type
    if f.claim_id:
        yield Claim.external_id == f.claim_id
    if f.claim_id_prefix:
        # Not LIKE, for which PostgreSQL uses no index under row-level security, because its errors may show values.
        yield Claim.external_id.bool_op("^@")(f.claim_id_prefix)
    if f.has_primary is not None:
        yield Claim.primary_payer_id.is_not(None) == f.has_primary
    if f.claim_id_part:
        yield contains(Claim.external_id, f.claim_id_part)
    if f.has_secondary is not None:
        yield Claim.secondary_payer_id.is_not(None) == f.has_secondary


def _balance_conditions(f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    dues: dict[str, ColumnElement[int]] = {
        "insurance": Claim.insurance_due.expression,
        "patient": Claim.patient_due.expression,
        "total": Claim.insurance_due + Claim.patient_due,
    }
    if f.amount_cents is not None:
        yield or_(*(amount == f.amount_cents for amount in (Claim.billed, *dues.values())))
    for name, due in dues.items():
        least: int | None = getattr(f, f"{name}_due_min_cents")
        most: int | None = getattr(f, f"{name}_due_max_cents")
        if least is not None:
            yield due >= least
        if most is not None:
            yield due <= most


def _date_conditions(f: ClaimFilter, today: dt.date) -> Iterable[ColumnElement[bool]]:
    if f.from_:
        yield Claim.service_date >= f.from_
    if f.to:
        yield Claim.service_date <= f.to
    if f.age_bucket:
        yield age_buckets.is_in(f.age_bucket, today, f.age_from)
    if f.age_min_days is not None:
        yield age_buckets.age_date(f.age_from) <= today - dt.timedelta(days=f.age_min_days)
    if f.age_max_days is not None:
        yield age_buckets.age_date(f.age_from) >= today - dt.timedelta(days=f.age_max_days)
    if f.last_payment_before:
        yield func.coalesce(Claim.last_payment_on < f.last_payment_before, True)


def _collection_conditions(f: ClaimFilter) -> Iterable[ColumnElement[bool]]:
    if f.statements_sent_min is not None:
        yield func.coalesce(Claim.statements_sent, 0) >= f.statements_sent_min
    if f.statements_sent_max is not None:
        yield func.coalesce(Claim.statements_sent, 0) <= f.statements_sent_max
    if f.last_statement_before:
        yield func.coalesce(Claim.last_statement_on < f.last_statement_before, True)
    if f.denied_from:
        yield Claim.denied_on >= f.denied_from
    if f.denied_to:
        yield Claim.denied_on <= f.denied_to
    if f.denial_group:
        yield Claim.denial_group == f.denial_group
    if f.denial_carc:
        yield Claim.denial_carc == f.denial_carc


def _answer_conditions(practice_id: int, f: ClaimFilter, today: dt.date) -> Iterable[ColumnElement[bool]]:
    if f.last_answer_from:
        yield Claim.last_answer_on >= f.last_answer_from
    if f.last_answer_to:
        yield Claim.last_answer_on <= f.last_answer_to
    if f.last_answer_status:
        yield Claim.last_answer_status.in_(f.last_answer_status)
    if f.payer_claim_number:
        yield answers.has_payer_number(practice_id, f.payer_claim_number)
    if f.no_answer_min_days is not None:
        yield answers.waits_since() <= today - dt.timedelta(days=f.no_answer_min_days)
