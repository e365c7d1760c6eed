"""Our CSV format, column by column. docs/import-format.md explains it to practices."""

from typing import Final

from core.enums.claims import ClaimStatus, ClaimType, Hold
from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility
from core.enums.practices import PayerClass
from core.intake.loading import stages
from core.intake.loading.checks import Origin
from core.intake.parsing import fields
from core.intake.parsing.fields import Column, Consistency, FileFormat

REFUND: Final = "refund"
KINDS: Final = (PostingKind.PAYMENT.value, REFUND, PostingKind.ADJUSTMENT.value, PostingKind.TRANSFER.value)


def staged_kind(kind: str | None) -> str | None:
    """Return the kind of posting. A refund becomes a payment above zero."""
    return PostingKind.PAYMENT.value if kind == REFUND else kind


def posting_inconsistency(
    kind: str, amount: int, paid_by: str | None, group_code: str | None, reason_code: str | None
) -> tuple[str, str] | None:
    """Return (column, cure) if the fields of a posting are valid one by one but not together."""
    paid = kind in (PostingKind.PAYMENT.value, REFUND)
    if amount == 0:
        return "amount", "a posting of 0.00 changes nothing; remove the row"
    if kind == PostingKind.PAYMENT.value and amount > 0:
        return "amount", "a payment lowers the balance; use a minus sign, or use kind refund for money returned"
    if kind == REFUND and amount < 0:
        return "amount", "a refund raises the balance; do not use a minus sign"
    if paid != (paid_by is not None):
        return (
            "paid_by",
            "enter who paid or got the money: primary, secondary or patient"
            if paid
            else "only for payments and refunds; leave it empty",
        )
    if kind != PostingKind.ADJUSTMENT.value and (group_code or reason_code):
        return "group_code", "group and reason codes are only for adjustments; leave them empty"
    return None


BILLING_STATUSES: Final = FileFormat("billing_statuses.csv", (Column("name", fields.label),), may_be_absent=True)
OFFICES: Final = FileFormat(
    "offices.csv", (Column("office_id", fields.external_id), Column("name", fields.text)), may_be_absent=True
)
PROVIDERS: Final = FileFormat(
    "providers.csv", (Column("provider_id", fields.external_id), Column("name", fields.text)), may_be_absent=True
)
PAYERS: Final = FileFormat(
    "payers.csv",
    (
        Column("payer_id", fields.external_id),
        Column("name", fields.text),
        Column("payer_class", fields.enum_value(PayerClass)),
    ),
    may_be_absent=True,
)
PATIENTS: Final = FileFormat(
    "patients.csv",
    (
        Column("patient_id", fields.external_id),
        Column("name", fields.text, private=True),
        Column("birth_date", fields.date, optional=True, private=True),
    ),
    may_be_absent=True,
)
CLAIMS: Final = FileFormat(
    "claims.csv",
    (
        Column("claim_id", fields.external_id),
        Column("patient_id", fields.external_id),
        Column("office_id", fields.external_id),
        Column("billing_provider_id", fields.external_id),
        Column("supervising_provider_id", fields.external_id, optional=True),
        Column("claim_type", fields.enum_value(ClaimType), optional=True, empty=ClaimType.PROFESSIONAL.value),
        Column("service_date", fields.date),
        Column("service_time", fields.time, optional=True),
        Column("billing_status", fields.label),
        Column("primary_payer_id", fields.external_id, optional=True),
        Column("primary_status", fields.enum_value(ClaimStatus), optional=True, empty=ClaimStatus.NONE.value),
        Column("secondary_payer_id", fields.external_id, optional=True),
        Column("secondary_status", fields.enum_value(ClaimStatus), optional=True, empty=ClaimStatus.NONE.value),
        Column("hold", fields.enum_value(Hold), optional=True),
        Column("allowed", fields.cents_not_negative, optional=True),
        Column("expected", fields.cents_not_negative, optional=True),
        Column("first_edi_date", fields.date, optional=True),
        Column("last_edi_date", fields.date, optional=True),
        Column("statements_sent", fields.count, optional=True, may_be_absent=True),
        Column("last_statement_date", fields.date, optional=True, may_be_absent=True),
        Column("denied_date", fields.date, optional=True, may_be_absent=True),
        Column("denial_group", fields.enum_value(GroupCode), optional=True, may_be_absent=True),
        Column("denial_carc", fields.reason_code, optional=True, may_be_absent=True),
    ),
)
LINE_ITEMS: Final = FileFormat(
    "line_items.csv",
    (
        Column("claim_id", fields.external_id),
        Column("line", fields.line_number),
        Column("procedure_code", fields.external_id),
        Column("charge", fields.cents_not_negative),
        Column("responsibility", fields.enum_value(Responsibility)),
    ),
    first_is_key=False,
)
POSTINGS: Final = FileFormat(
    "postings.csv",
    (
        Column("posting_id", fields.external_id),
        Column("claim_id", fields.external_id),
        Column("line", fields.line_number),
        Column("responsibility", fields.enum_value(Responsibility)),
        Column("kind", fields.one_of(*KINDS), staged=staged_kind),
        Column("amount", fields.cents),
        Column("paid_by", fields.enum_value(PaidBy), optional=True),
        Column("group_code", fields.enum_value(GroupCode), optional=True),
        Column("reason_code", fields.reason_code, optional=True),
        Column("posting_date", fields.date),
    ),
    consistency=Consistency(("kind", "amount", "paid_by", "group_code", "reason_code"), posting_inconsistency),
)
FORMATS: Final = (BILLING_STATUSES, OFFICES, PROVIDERS, PAYERS, PATIENTS, CLAIMS, LINE_ITEMS, POSTINGS)

ORIGINS: Final = {
    stages.BILLING_STATUS: Origin(BILLING_STATUSES.name),
    stages.OFFICE: Origin(OFFICES.name, {"external_id": "office_id"}),
    stages.PROVIDER: Origin(PROVIDERS.name, {"external_id": "provider_id"}),
    stages.PAYER: Origin(PAYERS.name, {"external_id": "payer_id"}),
    stages.PATIENT: Origin(PATIENTS.name, {"external_id": "patient_id"}),
    stages.CLAIM: Origin(
        CLAIMS.name,
        {
            "external_id": "claim_id",
            "patient": "patient_id",
            "office": "office_id",
            "billing_provider": "billing_provider_id",
            "supervising_provider": "supervising_provider_id",
            "primary_payer": "primary_payer_id",
            "secondary_payer": "secondary_payer_id",
            "first_edi_on": "first_edi_date",
            "last_edi_on": "last_edi_date",
            "last_statement_on": "last_statement_date",
            "denied_on": "denied_date",
        },
    ),
    stages.LINE: Origin(LINE_ITEMS.name, {"claim": "claim_id", "number": "line"}),
    stages.CHARGED_LINE: Origin(LINE_ITEMS.name, {"claim": "claim_id", "number": "line"}),
    stages.POSTING: Origin(
        POSTINGS.name,
        {"source_id": "posting_id", "claim": "claim_id", "amount_cents": "amount", "posted_on": "posting_date"},
        charges=Origin(LINE_ITEMS.name, {"claim": "claim_id", "amount_cents": "charge", "posted_on": "claim_id"}),
    ),
}
"""Where each stage's rows come from."""
