"""The feed's columns by key. Views, pages and the API name them alike."""

from typing import Final

COLUMN_KEYS: Final = (
    "claim_id", "patient_name", "service_date", "age_bucket", "age_days", "billing_status", "eligibility",
    "insurance_due", "patient_due", "total_due", "billed", "written_off", "office", "billing_provider",
    "supervising_provider", "allowed", "adjustment", "primary_paid", "secondary_paid", "patient_paid", "expected",
    "primary_payer", "primary_status", "secondary_payer", "secondary_status", "first_edi_on", "last_edi_on",
    "last_statement_on", "statements_sent", "denied_on", "denial_carc", "last_answer_on", "last_answer_status",
    "no_answer_days", "payer_claim_number", "service_codes",
)  # fmt: skip
