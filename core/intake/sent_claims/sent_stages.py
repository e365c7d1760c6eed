"""The temporary tables of the claims in 837 files.

A claim may be in several copies: resent, replaced, and sent to each payer.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Integer, SmallInteger, Text

from core.intake.loading.stages import new_stage

# One claim as it was sent once. `at` is its place in the files, which the other two tables name as `copy`.
COPY: Final = new_stage(
    "sent_copy",
    Column("sent_at", DateTime),
    Column("sent_on", Date),
    Column("digest", Text),  # of the transaction
    Column("claim", Text),
    Column("frequency", Text),
    Column("destination", Text),  # the payer that it went to: P, S or T
    Column("claim_type", Text),
    Column("service_date", Date),
    Column("charge", BigInteger),
    Column("patient_paid", BigInteger),
    Column("person", Text),  # the patient's first name and date of birth as a digest
    Column("by_primary", Boolean),  # the patient's ID is from the primary payer
    Column("patient", Text),
    Column("patient_name", Text),
    Column("birth_date", Date),
    Column("office", Text),
    Column("office_name", Text),
    Column("provider", Text),
    Column("provider_name", Text),
    Column("supervising", Text),
    Column("supervising_name", Text),
    Column("tax_id", Text),  # of the billing provider
    Column("replaces", Text),  # the payer's number of an earlier claim
    is_own=True,
)
SENT_LINE: Final = new_stage(
    "sent_line",
    Column("copy", Integer),
    Column("number", SmallInteger),
    Column("procedure_code", Text),
    Column("modifiers", Text),
    Column("charge", BigInteger),
    Column("service_on", Date),
    Column("control_number", Text),
    is_own=True,
)
# What a 277CA says of a claim.
ACKNOWLEDGED: Final = new_stage(
    "acknowledged",
    Column("claim", Text),
    Column("payer", Text),  # None: a clearinghouse said it
    Column("status_on", Date),
    Column("status", Text),
    Column("payer_number", Text),  # of the claim (REF*1K)
    is_own=True,
)
COVERAGE: Final = new_stage(
    "coverage",
    Column("copy", Integer),
    Column("payer_order", Text),
    Column("payer", Text),
    Column("payer_name", Text),
    Column("payer_class", Text),
    Column("member", Text),
    is_own=True,
)
